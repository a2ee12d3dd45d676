/* The kinds of files that have readiness or contents: what kinds.c collects in its table. */
#ifndef EPDIFF_ORACLE_MODEL_KINDS_H
#define EPDIFF_ORACLE_MODEL_KINDS_H

#include "oracle/model/state.h"

#define KEY_DATA (MASK_IN | (uint32_t)(EPOLLPRI | EPOLLRDBAND)) /* sock_def_readable */

extern const struct model_kind model_kind_pipe_read, model_kind_pipe_write; /* pipe.c */
extern const struct model_kind model_kind_unix;                             /* unix.c */
/* shutdown(2): returns 0 or an errno. */
int model_unix_shutdown(struct model *model, int file, int64_t how);
extern const struct model_kind model_kind_eventfd; /* counter.c */
extern const struct model_kind model_kind_tcp;     /* tcp.c */
int model_tcp_shutdown(struct model *model, int file, int64_t how);
enum model_io model_tcp_send(struct model *model, int file, struct model_transfer *transfer,
                             bool urgent);
extern const struct model_kind model_kind_listener; /* listener.c */
int model_listener_shutdown(struct model *model, int file, int64_t how);
/* A connection to a listener, which it has yet to accept. Returns the client's end or MODEL_NONE.
 */
int model_listener_connect(struct model *model, int listener, bool nonblock);
/* The oldest connection becomes the out of `step`; the caller has the listener's reference. Returns
 * MODEL_NONE if there is none. */
int model_listener_accept(struct model *model, int listener, unsigned step, bool nonblock);
extern const struct model_kind model_kind_timerfd, model_kind_signalfd; /* special.c */
extern const struct model_kind model_kind_inotify;                      /* inotify.c */

#endif
