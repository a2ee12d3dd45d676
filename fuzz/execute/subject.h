/*
 * Subjects: what is compared with native. One table of kinds; `epdiff subjects` prints it.
 */
#ifndef EPDIFF_EXECUTE_SUBJECT_H
#define EPDIFF_EXECUTE_SUBJECT_H

#include "fuzz/program/program.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    SUBJECT_NAME_MAX = 255,
    SUBJECT_WHY_MAX = 255,
    SUBJECT_INJECT_MAX = 159,
    SUBJECT_EDGES_MAX = 63,
};

enum subject_kind {
    SUBJECT_NATIVE, /* "native": nothing preloaded */
    /*
     * "shim:POLICY+BACKEND": our libepbatch.so; the backend may be left out: syscall.
     * "linked:POLICY+BACKEND": the same objects, linked into an executor of their own, for where
     * nothing can be preloaded.
     */
    SUBJECT_SHIM,
    SUBJECT_PRELOAD, /* "preload:PATH": any shared library */
    SUBJECT_MODEL,   /* "model": nothing runs, the answers are computed (oracle/model) */
};

struct subject {
    enum subject_kind kind;
    char name[SUBJECT_NAME_MAX + 1];     /* canonical: "shim:naive+syscall" */
    char policy[32];                     /* EPBATCH_POLICY, for SUBJECT_SHIM */
    char backend[32];                    /* EPBATCH_BACKEND */
    char executor[32];                   /* which program beside the tool runs its programs */
    char library[PATH_MAX];              /* absolute path of what is preloaded, or empty */
    char inject[SUBJECT_INJECT_MAX + 1]; /* EPBATCH_INJECT: which of its calls fail, or empty */
    char edges[SUBJECT_EDGES_MAX + 1];   /* EPBATCH_EDGES: where it counts its edges, or empty */
};

/*
 * Parses a subject's name. Returns 0, or -EINVAL with one line in *ret_why that says what was wrong
 * and what was expected: an unknown kind, an unknown policy or backend, a library that is not
 * there.
 */
int subject_parse(const char *name, struct subject *ret_subject, char *ret_why, size_t size);

/*
 * Says whether a text could name a subject, here or elsewhere: a library need not be there. Returns
 * 0, or -EINVAL with one line in *ret_why.
 */
int subject_check_name(const char *name, char *ret_why, size_t size);

/*
 * Makes calls of the subject fail as the header `inject:` says, which must be well-formed. A shim
 * becomes the copy of itself that is built with the tests; native and the model make no such calls
 * and are left as they are. Returns 0, or a negative errno with one line in *ret_why: the copy is
 * not there, or the subject is a library that nobody here can tell what to do.
 */
int subject_inject(struct subject *subject, const char *inject, char *ret_why, size_t size);

/* False for subjects whose calls nobody here can make fail: somebody's library, a linked shim. */
bool subject_injects(const struct subject *subject);

/*
 * Makes a shim the copy of itself that counts the edges of its code in the file `path`
 * (shim/edges.c), which is there in builds for engines. Returns 0, or a negative errno with one
 * line in *ret_why: the copy is not there, the path is too long, or the subject is no shim.
 */
int subject_count_edges(struct subject *subject, const char *path, char *ret_why, size_t size);

/*
 * True if an expectation written for `pattern` ("shim:naive", "native") speaks of this subject: the
 * same name, or the same without its backend. What is said of a shim is said of a linked one.
 */
bool subject_matches(const struct subject *subject, const char *pattern);

/*
 * True if the program makes a call that the subject says it cannot see, so that it promises
 * nothing: an inline system call passes by every preloaded library. Only `transparent` says so;
 * what the others let slip is what they are tested for.
 */
bool subject_is_bypassed(const struct subject *subject, const struct program *program);

/* True if there is any such program. */
bool subject_has_limits(const struct subject *subject);

/*
 * Lists what can be named here. Returns the name of the index-th subject, or NULL past the last;
 * *ret_why is empty if this machine can run it, or says why not.
 */
const char *subject_list(unsigned index, char *ret_why, size_t size);

/* Folder of the running tool: where libepbatch.so and epdiff-exec are looked for. Returns 0 or a
 * negative errno. */
int subject_home(char *ret_path, size_t size);

#endif
