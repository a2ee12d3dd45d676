/*
 * The public face of libepbatch.so, for programs that know that they may run under it.
 *
 * Such a program need not link the library: it looks the function up by dlsym(RTLD_DEFAULT,
 * "epbatch_flush") and leaves the call out when there is none.
 */
#ifndef EPBATCH_H
#define EPBATCH_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Carries out, now, what a wait, close or fork of the calling thread could have to carry out
 * later: under `naive` and `hash` every list of the process, under `tls` the list of this thread.
 * Returns 0, or -1 with errno of the first operation that failed; what stood behind it in its list
 * is dropped, as at a wait. Leaves errno alone on success.
 */
int epbatch_flush(void);

#ifdef __cplusplus
}
#endif

#endif
