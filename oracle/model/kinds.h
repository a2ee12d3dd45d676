/* The kinds of files that have readiness or contents: what kinds.c collects in its table. */
#ifndef EPDIFF_ORACLE_MODEL_KINDS_H
#define EPDIFF_ORACLE_MODEL_KINDS_H

#include "oracle/model/state.h"

extern const struct model_kind model_kind_pipe_read, model_kind_pipe_write; /* pipe.c */
extern const struct model_kind model_kind_unix;                             /* unix.c */
/* shutdown(2): returns 0 or an errno. */
int model_unix_shutdown(struct model *model, int file, int64_t how);
extern const struct model_kind model_kind_eventfd; /* counter.c */

#endif
