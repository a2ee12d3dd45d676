/*
 * Inside the model: the state, and what its parts ask of each other.
 *
 *   state.c     descriptor tables, references, the end of open file descriptions
 *   queue.c     what waits in pipes and sockets to be read
 *   kinds.c     the table of file kinds; pipe.c, unix.c, counter.c, ... one kind each
 *   wake.c      wait queues: who is woken by what, in which order
 *   epoll.c     interest lists, ready lists, events
 *   sleep.c     actors inside a call: falling asleep, going on, coming back
 *   call_*.c    the operations: one function each, model_call_ID
 *   step.c      a step: the call, then everything that it sets in motion
 *   follow.c    the states that explain a recorded run
 */
#ifndef EPDIFF_ORACLE_MODEL_STATE_H
#define EPDIFF_ORACLE_MODEL_STATE_H

#include "oracle/model/mistakes.h"
#include "oracle/model/model.h"

#include <sys/epoll.h>

enum {
    MODEL_FILES_MAX = 2 * PROGRAM_SLOTS_MAX + 1,
    MODEL_ITEMS_MAX = PROGRAM_STEPS_MAX,
    MODEL_PIECES_MAX = 1024, /* runs of bytes in all pipes and sockets */
    MODEL_WATCHES_MAX = PROGRAM_STEPS_MAX,
    MODEL_NOTES_MAX = 4 * PROGRAM_STEPS_MAX, /* events in the queues of all inotify instances */
    MODEL_TABLES_MAX = PROGRAM_ACTORS_MAX,
    MODEL_PAGE = 4096,
    MODEL_MEMFD_MAX = 1 << 20, /* RLIMIT_FSIZE of the processes that run a program, bytes */
    MODEL_WAKEUPS_MAX = 4,     /* that one call makes which holds them back */
    MODEL_NESTS_MAX = 4,       /* EP_MAX_NESTS of fs/eventpoll.c */
    MODEL_TABLE_SURE = 64, /* NR_OPEN_DEFAULT: numbers that every descriptor table has room for */
    MODEL_NONE = -1,
    MODEL_RESERVED = -2, /* in a descriptor table: a number that a call will bind, or give back */
    MODEL_NUMBERS_MAX = 1024, /* RLIMIT_NOFILE of the processes that run a program */
    MODEL_STREAM_MAX = 16384, /* bytes under way in a TCP connection: far from its windows */
};

/* Masks that the kernel's poll methods return and its wakeups carry. */
#define MASK_IN       ((uint32_t)(EPOLLIN | EPOLLRDNORM))
#define MASK_OUT      ((uint32_t)(EPOLLOUT | EPOLLWRNORM))
#define MASK_OUT_BAND ((uint32_t)(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND))
#define MASK_ERR      ((uint32_t)EPOLLERR)
#define MASK_HUP      ((uint32_t)EPOLLHUP)
#define MASK_RDHUP    ((uint32_t)EPOLLRDHUP)
#define MASK_PRI      ((uint32_t)EPOLLPRI)
#define MASK_ALWAYS   ((uint32_t)(EPOLLERR | EPOLLHUP))
/* EP_PRIVATE_BITS: what ONESHOT leaves of a mask once it has fired. */
#define MASK_PRIVATE                                                                               \
    ((uint32_t)EPOLLWAKEUP | (uint32_t)EPOLLONESHOT | (uint32_t)EPOLLET | (uint32_t)EPOLLEXCLUSIVE)

/*
 * States are copied, compared and hashed as bytes, so a state has no byte that is no member's: what
 * a compiler leaves in such bytes is its own affair, and two equal states would differ by it. Where
 * members leave a gap, `spare` fills it, and is 0.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

/* A run of bytes in a queue: a 1 (if it begins a write) and zeros. */
struct model_piece {
    uint32_t length;
    uint32_t charge; /* of the sk_buff that it begins, to its sender */
    bool one;        /* its first byte is 1 */
    bool first;      /* it begins a page or an sk_buff */
    int16_t flight;  /* the file that the sk_buff carries, plus 1; 0: none */
    int16_t next;    /* or MODEL_NONE; of a free piece: the next free one */
    int16_t spare;
};

enum {
    SHUT_RECEIVE = 1, /* RCV_SHUTDOWN */
    SHUT_SEND = 2,    /* SEND_SHUTDOWN */
    SHUT_BOTH = 3,
};

/* An open file description. What a field means beside the first few is its kind's affair. */
struct model_file {
    uint8_t kind; /* enum file_kind */
    bool released;
    bool nonblock;
    bool no_read, no_write; /* access mode */
    bool datagram;          /* socket */
    bool semaphore;         /* eventfd */
    bool executable;        /* opened by path: not /dev/null */
    bool polled;            /* pipe: poll_usage */
    bool inet;              /* socket: of family AF_INET */
    bool embryo;            /* socket: its listener was closed before it was accepted */
    bool closed;            /* TCP socket: in state TCP_CLOSE */
    bool done;              /* TCP socket: SOCK_DONE, the FIN is there */
    bool oob_inline;        /* socket: SO_OOBINLINE */
    bool urgent;            /* TCP socket: an urgent byte has come, urgent_at bytes ahead */
    bool peer_forgotten;    /* datagram socket: a write has found out that its peer is closed */
    uint8_t shutdown;       /* socket: SHUT_RECEIVE, SHUT_SEND */
    bool inner;             /* not bound by the step: `out` says nothing */
    uint8_t out;            /* which out of the step that opened it */
    uint8_t spare;
    int16_t born;       /* that step, MODEL_NONE for the files at the start */
    int16_t refs;       /* numbers, calls in progress, messages under way */
    int16_t peer;       /* other end of a pipe or socket pair, or MODEL_NONE */
    int16_t queued_on;  /* socket: the listener that has yet to accept it, or MODEL_NONE */
    int16_t error;      /* socket: sk_err */
    int16_t head, tail; /* pieces to be read from here */
    uint16_t units;     /* pages or sk_buffs that they make up */
    uint16_t page_end;  /* pipe: how far the last page is filled */
    uint16_t spare_too;
    uint32_t charged;   /* socket: sk_wmem_alloc of what it sent and nobody has read */
    uint32_t available; /* TCP socket: bytes to be read */
    uint32_t urgent_at;
    uint32_t spare_again;
    uint64_t count; /* eventfd, timerfd: the counter; executable: the position */
};

/* An entry of an interest list. */
struct model_item {
    int16_t instance;
    int16_t file;
    int16_t number;
    int16_t data;    /* the step of the ADD or last MOD, from 1 */
    uint32_t events; /* with ERR and HUP; only private bits once ONESHOT has fired */
    int32_t place;   /* on the wait queue of `file` */
    int32_t ready;   /* place on the instance's ready list, 0: not on it */
    bool exclusive;  /* as it was ADDed: the wait queue entry never changes */
    int8_t process;  /* signalfd: on whose wait queue it stands, MODEL_NONE once that is gone */
    int16_t spare;
};

/* What an inotify instance watches. Both ends of a pipe are one inode, known by the lower file. */
struct model_watch {
    int16_t instance;
    int16_t inode;
    int16_t wd;
    uint16_t mask;
};

/* An event in the queue of an inotify instance. */
struct model_note {
    int16_t instance;
    int16_t wd;
    uint16_t mask;
};

/* A descriptor table: one a process, or of threads that unshared it. */
struct model_table {
    int16_t users; /* actors; 0: free */
    int16_t files[PROGRAM_FD_LIMIT];
    int16_t spare[3];
    uint64_t cloexec[PROGRAM_FD_LIMIT / 64];
};

enum model_sleep {
    SLEEP_NONE,
    SLEEP_WAIT,    /* epoll_wait on instance `file` */
    SLEEP_POLL,    /* poll or select of `file` for `mask` */
    SLEEP_READ,    /* read of `file`, `count` bytes */
    SLEEP_WRITE,   /* write to `file`, `done` of `count` bytes written */
    SLEEP_ACCEPT,  /* accept4 on listener `file`, with `number` reserved */
    SLEEP_RECV_FD, /* recvmsg on socket `file` */
    SLEEP_ACTOR,   /* waitpid or pthread_join of `actor` */
};

struct model_actor {
    bool born;
    bool alive;
    bool woken;     /* asleep, and about to look again */
    bool queued;    /* asleep, and on the wait queue of `file` */
    bool exclusive; /* there as an exclusive waiter */
    bool pinned;    /* it holds a reference to `file` while it sleeps */
    bool faults;    /* SLEEP_WAIT: the buffer is bad */
    bool unblocks;  /* its call lets SIGUSR2 through */
    bool pending;   /* SIGUSR2 is */
    bool cloexec;   /* SLEEP_ACCEPT, SLEEP_RECV_FD: of the number to come */
    bool nonblock;  /* SLEEP_ACCEPT: of the socket to come */
    bool spare;
    int16_t number; /* SLEEP_ACCEPT */
    uint8_t sleep;  /* enum model_sleep */
    uint8_t turn;   /* order among the woken */
    int8_t table;   /* of descriptors */
    int8_t process; /* its process, by main actor */
    uint8_t tag;    /* by which the trace tells its table from those of its fellows */
    bool cancelled; /* a cancellation waits for it to come to a cancellation point */
    bool async;     /* PTHREAD_CANCEL_ASYNCHRONOUS */
    bool threaded;  /* its process has had threads: libc's cancellation points are some */
    bool held;      /* SIGUSR1 waits until its call blocks it no more */
    bool spare_too;
    int16_t signalled; /* number of the tgkill whose signal waits to be handled, 0: none */
    int16_t step;      /* in which it sleeps */
    int16_t file;      /* pinned while it sleeps, or MODEL_NONE */
    int16_t actor;     /* SLEEP_ACTOR */
    uint32_t mask;     /* SLEEP_POLL */
    int32_t place;     /* on the wait queue */
    int64_t count;     /* bytes, room for events, or the number that is polled */
    int64_t done;      /* SLEEP_WRITE */
};

/* What a process does about SIGUSR1; for CTL the call as sigaction was given it. */
struct model_handler {
    int64_t kind; /* HANDLER_ */
    int epfd, number;
    int64_t op, event;
};

struct model_process {
    struct model_handler handler;
    bool born;
    bool alive;
    bool reaped;
    bool signaled; /* `status` is the signal that ended it */
    int8_t parent; /* process whose child it is; MODEL_NONE once that has ended */
    int8_t spare;
    int16_t limit;                           /* RLIMIT_NOFILE */
    uint64_t streams[PROGRAM_FD_LIMIT / 64]; /* numbers that have a directory stream */
    int16_t ended_at;
    int16_t status;
    int32_t spare_too;
};

/* A wakeup of a file's wait queue: what model_wake is told. */
struct model_wakeup {
    int16_t file;
    uint16_t exclusive;
    uint32_t key;
};

/* Wakeups that are made later, for calls that other calls overlap. */
struct model_wakeups {
    uint32_t count;
    struct model_wakeup wakeups[MODEL_WAKEUPS_MAX];
};

struct model {
    const struct program *program;
    const struct model_facts *facts;
    struct model_tape *tape;     /* of the step in progress */
    struct model_report *report; /* of the step in progress */
    struct model_wakeups *held;  /* where wakeups go instead of being made; NULL: they are */
    const struct step *step;     /* in progress */
    unsigned index;              /* its number, from 0 */
    unsigned atomic;             /* > 0: nobody can run in between */
    unsigned turns;              /* woken in this step so far */
    unsigned current;            /* the actor whose call goes on now */
    unsigned nlanded;
    int16_t landed[PROGRAM_STEPS_MAX]; /* files that messages held, until the call is over */
    int32_t front, back;               /* next places at the head and the tail of wait queues */
    int32_t ready_front, ready_back;   /* next places of ready lists */
    unsigned nfiles, nitems, ntables;
    unsigned nwatches, nnotes;
    unsigned ntags; /* of tables, ever given out, less one */
    int16_t free_piece;
    int16_t npieces;                  /* ever used */
    int16_t slots[PROGRAM_SLOTS_MAX]; /* numbers, -1 when unbound or failed */
    struct model_actor actors[PROGRAM_ACTORS_MAX];
    struct model_process processes[PROGRAM_ACTORS_MAX];
    bool joined[PROGRAM_ACTORS_MAX];
    /* From here on only the entries in use are copied. */
    struct model_table tables[MODEL_TABLES_MAX];
    struct model_file files[MODEL_FILES_MAX];
    struct model_item items[MODEL_ITEMS_MAX];
    struct model_piece pieces[MODEL_PIECES_MAX];
    struct model_watch watches[MODEL_WATCHES_MAX];
    struct model_note notes[MODEL_NOTES_MAX]; /* by instance, then in order */
};

#pragma GCC diagnostic pop

/* --- state.c --- */

/* A new open file description with no reference yet, MODEL_NONE and `beyond` if there is no room.
 */
int model_file_new(struct model *model, enum file_kind kind, unsigned out);
struct model_table *model_table_of(struct model *model, unsigned actor);
/* The file that `number` names for the step's actor, or MODEL_NONE. */
int model_file_at(struct model *model, int number);
/* The number that an fd argument of the step stands for. */
int model_arg_number(const struct model *model, unsigned arg);
/* The file that an fd argument of the step names, or MODEL_NONE. */
int model_arg_file(struct model *model, unsigned arg);
/* The lowest free number from `from` on that the limit allows the actor, or -1. */
int model_lowest_free(struct model *model, unsigned actor, int from);
/* The limit of the numbers of the step's process. */
int model_limit(const struct model *model);
/* Makes `number` name `file`, with a reference of its own; what it named before is let go. */
void model_install(struct model *model, unsigned actor, int number, int file, bool cloexec);
/* Takes a number out of a table. Returns the file, whose reference the caller now has, or
 * MODEL_NONE. */
int model_uninstall(struct model_table *table, int number);
void model_ref(struct model *model, int file);
/* Drops a reference; with the last one the file is released at once. */
void model_unref(struct model *model, int file);
void model_set_cloexec(struct model_table *table, int number, bool cloexec);
/* Drops every reference of a table that its last user has left. */
void model_table_leave(struct model *model, unsigned actor);
/* Says that the model does not know what happens: `why` is a constant string. */
void model_beyond(struct model *model, const char *why);
/* Draws from the tape: 0 to width - 1. */
unsigned model_choose(struct model *model, unsigned width);
static inline bool model_is_beyond(const struct model *model)
{
    return model->report->beyond != NULL;
}

/* --- queue.c --- */

/* Appends bytes to what waits at `file`. `one`: they begin a write. `first`: they begin a unit. */
void model_queue_append(struct model *model, int file, uint32_t length, bool one, bool first,
                        uint32_t charge);
/*
 * Takes up to `count` bytes of the first unit. *ret_charge is the charge of the unit if it is used
 * up, 0 otherwise. Returns how many bytes; the digest takes them in.
 */
struct model_bytes;
uint32_t model_queue_take(struct model *model, int file, uint32_t count, bool whole_unit,
                          struct model_bytes *bytes, bool *ret_freed, uint32_t *ret_charge);
void model_queue_clear(struct model *model, int file);
/* The bytes appended last carry `file`, which the message refers to from now on. */
void model_queue_attach(struct model *model, int to, int file);
/* A call is over: what its messages carried is let go (task_work_run), all behind the first `kept`,
 * which belong to a call in progress. */
void model_drop_landed(struct model *model, unsigned kept);

/* The bytes that a read hands out, for its digest. */
struct model_bytes {
    uint32_t length;
    unsigned nones;
    uint32_t ones[MODEL_PIECES_MAX]; /* positions of the bytes that are 1 */
};
uint64_t model_bytes_digest(const struct model_bytes *bytes);

/* --- kinds.c --- */

enum model_io {
    IO_DONE,  /* *ret_count bytes */
    IO_ERROR, /* *ret_err */
    IO_SLEEP, /* nothing can be done now: EAGAIN, or sleep */
};

struct model_transfer {
    int64_t count; /* asked for */
    int64_t done;  /* bytes moved so far */
    int err;
    bool resumed; /* not the first attempt of this call */
    bool nonblock;
    uint64_t digest;
    bool any_digest;
    bool zeros; /* no 1 in front */
    int flight; /* the file that the message carries, plus 1; 0: none */
};

struct model_kind {
    bool polls; /* has a poll method: epoll takes it */
    uint32_t (*poll)(struct model *model, int file, uint32_t requested);
    enum model_io (*read)(struct model *model, int file, struct model_transfer *transfer);
    enum model_io (*write)(struct model *model, int file, struct model_transfer *transfer);
    void (*release)(struct model *model, int file); /* its last reference is gone */
    /* A signal ends the sleep of somebody in write. NULL: nothing more happens. */
    void (*interrupt)(struct model *model, int file);
    const char *what;   /* in the fd table: "pipe", "[eventfd]" */
    bool shares_target; /* both ends, or all of the kind, have one /proc link target */
    bool exclusive_io;  /* who sleeps in read or write is an exclusive waiter */
    bool tail_io;       /* who sleeps in read or write stands at the end of the wait queue */
};

const struct model_kind *model_kind_of(const struct model *model, int file);

/* f_op->poll with its side effects; `depth` counts epoll instances on the way. */
uint32_t model_poll(struct model *model, int file, uint32_t requested, unsigned depth);

/* --- inotify.c --- */

/* fsnotify_access and fsnotify_modify: a call that moved bytes is about to return. */
void model_notify_io(struct model *model, int file, bool reads, int64_t done);
/* fsnotify_close */
void model_notify_close(struct model *model, int file);
/* `instance` watches the pipe that `file` is an end of. Returns the number of the watch. */
int model_watch(struct model *model, int instance, int file, uint16_t mask);

/* --- wake.c --- */

/* wake_up_poll of a file's wait queue, or a note of it in `held`. `key` 0: no key. `exclusive`: how
 * many exclusive entries are woken, 0 all. */
void model_wake(struct model *model, int file, uint32_t key, unsigned exclusive);
/* The same for everyone who looks at a signalfd in `process`: sighand->signalfd_wqh. */
void model_wake_signals(struct model *model, int process, uint32_t key, unsigned exclusive);
/* wake_up of the waiters of an instance: one of them. */
void model_wake_waiter(struct model *model, int instance);
bool model_has_waiter(const struct model *model, int instance);
/* Places at the head and the tail of a wait queue. */
int32_t model_place_front(struct model *model);
int32_t model_place_back(struct model *model);

/* --- epoll.c --- */

int model_item_find(const struct model *model, int instance, int number, int file);
/* ep_poll_callback. Returns true if an exclusive wakeup is used up. */
bool model_item_callback(struct model *model, unsigned item, uint32_t key);
void model_item_remove(struct model *model, unsigned item);
/* ep_item_poll. */
uint32_t model_item_poll(struct model *model, unsigned item, unsigned depth);
/* __ep_eventpoll_poll. */
uint32_t model_instance_poll(struct model *model, int instance, unsigned depth);
/* ep_send_events into `ret`. Returns the number of events or -EFAULT. */
int model_send_events(struct model *model, int instance, int64_t room, bool faults,
                      struct model_return *ret);
/* The item on the instance's ready list that comes first behind place `after`, or MODEL_NONE. */
int model_next_ready(const struct model *model, int instance, int32_t after, bool any);
/* epoll_ctl by the step's actor. Returns 0 or an errno. */
int model_ctl(struct model *model, int epfd, int64_t op, int number, int64_t event);
/* What the end of a file does to interest lists, and of an instance to its own. */
void model_forget_file(struct model *model, int file);

/* --- sleep.c --- */

/* The step's actor falls asleep. The caller sets what the sleep needs in the actor returned. */
struct model_actor *model_sleep(struct model *model, enum model_sleep sleep, int file);
/* An actor's sleep is over: it lets go of what its call held. */
void model_awake(struct model *model, unsigned actor);
/* The same by a signal, and what the call does on its way out. Returns how many bytes it wrote. */
int64_t model_interrupt(struct model *model, unsigned actor);
/* Somebody who sleeps looks again. Returns true if the call comes back. */
bool model_resume(struct model *model, unsigned actor);
/* Lets everyone who was woken go on, until nobody is left who could. */
void model_settle(struct model *model);
/* Everyone who sleeps in waitpid or join of somebody who has ended. */
void model_wake_for_end(struct model *model);

/* --- call_*.c and step.c --- */

typedef void model_call(struct model *model);
#define OP(id, ...) model_call model_call_##id;
#include "fuzz/program/ops.def"
#undef OP

/* A call of the step in progress comes back. */
void model_return_value(struct model *model, int64_t ret);
void model_return_error(struct model *model, int err);
/* The same for an earlier call; returns what the caller may add to. */
struct model_return *model_return_of(struct model *model, unsigned step, int64_t ret, int err);
/* Binds the out slots of an earlier step. */
void model_bind_fd(struct model *model, struct model_return *back, int number);
/* The step fails and binds nothing. */
void model_fail_open(struct model *model, int err);
/* Binds the step's out slots. */
void model_return_fds(struct model *model, int64_t ret, int first, int second);
/* The step's actor, and the value of a plain argument. */
struct model_actor *model_self(struct model *model);
static inline int64_t model_arg(const struct model *model, unsigned arg)
{
    return model->step->args[arg];
}

/* --- call_fd.c --- */

/* Opens one description and returns its number from the step. Returns the file, or MODEL_NONE. */
int model_open_one(struct model *model, enum file_kind kind, bool nonblock, bool cloexec);
/* close(2) by the step's actor. */
void model_close_number(struct model *model, int number);

/* --- call_epoll.c --- */

/* The step's call waits with this mask of signals. */
void model_mask_signals(struct model *model, int64_t mask);

/* --- call_socket.c --- */

/* A call that slept goes on. They return false if it has to sleep again. */
bool model_resume_accept(struct model *model, struct model_actor *actor);
bool model_resume_recv_fd(struct model *model, struct model_actor *actor);
/* True if the executor refuses the step's send_fd: no Unix socket may be under way. */
bool model_refuses_send_fd(struct model *model);
/* --- call_cancel.c --- */

/* True if the step's actor obeys a cancellation and ends instead of making its call. */
bool model_obeys_cancel(struct model *model);
/* The same for a call that is a cancellation point only if it sleeps, when it is about to. */
bool model_obeys_in_sleep(struct model *model);

/* --- call_signal.c --- */

/* The signal that waited while a call blocked it is handled: the call of `step` has returned. */
void model_deliver_late(struct model *model, unsigned actor, unsigned step);

/* --- call_process.c --- */

/* dup_fd: a table with the same descriptions under the same numbers. */
int model_table_copy(struct model *model, int from);
/* The step's actor has a table that nobody else has. */
void model_unshare(struct model *model);
/* A thread ends, and with the last one its process. */
void model_end_thread(struct model *model, unsigned actor);
/* All threads of a process end but one, which may be MODEL_NONE. */
void model_end_threads(struct model *model, unsigned process, int but);
/* Begins the process of actor `child`, a copy of the step's actor's. */
void model_begin_process(struct model *model, unsigned child);

void model_end_process(struct model *model, unsigned process, int status);
/* The step `step` reaps a child if it has ended. Returns false if it has not. */
bool model_reap(struct model *model, unsigned step, unsigned child);
/* The step `step` has joined a thread that has ended. */
void model_joined(struct model *model, unsigned step, unsigned thread);

#endif
