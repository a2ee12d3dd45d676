/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mistakes that the tests of the module must notice, built in by
 * `make DEFECTS=1` and made by `insmod epoll_batch.ko defect=NAME`. In any
 * other build defect_is() is false and all of it goes away.
 */
#ifndef _EPOLL_BATCH_DEFECTS_H
#define _EPOLL_BATCH_DEFECTS_H

#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/spinlock.h>
#include <linux/string.h>

enum defect {
	DEFECT_NONE,
	DEFECT_USE_AFTER_PUT,	/* the results are read after they are freed */
	DEFECT_LOST_UNLOCK,	/* a lock is kept when an operation failed */
	DEFECT_ATOMIC_SLEEP,	/* operations run under a spinlock */
	DEFECT_RESULT_SHIFTED,	/* each result is stored one place too far */
	DEFECT_LOST_MEMORY_CHECK, /* no memory is taken for memory */
	DEFECT_RESTARTED,	/* a signal restarts a call that did something */
	DEFECT_READ_TWICE,	/* the operations are read while they are run */
	DEFECT_SLEPT_ON_RELEASE, /* a wait keeps a closed file alive */
};

#ifdef EPOLL_BATCH_DEFECTS

static const char *const defect_names[] = {
	[DEFECT_NONE] = "none",
	[DEFECT_USE_AFTER_PUT] = "use-after-put",
	[DEFECT_LOST_UNLOCK] = "lost-unlock",
	[DEFECT_ATOMIC_SLEEP] = "atomic-sleep",
	[DEFECT_RESULT_SHIFTED] = "result-shifted",
	[DEFECT_LOST_MEMORY_CHECK] = "lost-memory-check",
	[DEFECT_RESTARTED] = "restarted",
	[DEFECT_READ_TWICE] = "read-twice",
	[DEFECT_SLEPT_ON_RELEASE] = "slept-on-release",
};

static char *defect_name = "none";
module_param_named(defect, defect_name, charp, 0444);
MODULE_PARM_DESC(defect, "mistake to make");

static int defect_chosen;
static DEFINE_MUTEX(defect_mutex);
static DEFINE_SPINLOCK(defect_spinlock);

static inline int defect_choose(void)
{
	defect_chosen = match_string(defect_names, ARRAY_SIZE(defect_names),
				     defect_name);
	if (defect_chosen < 0) {
		pr_err("there is no defect '%s'\n", defect_name);
		return -EINVAL;
	}
	return 0;
}

static inline bool defect_is(enum defect defect)
{
	return defect_chosen == defect;
}

static inline void defect_enter(void)
{
	if (defect_is(DEFECT_LOST_UNLOCK))
		mutex_lock(&defect_mutex);
	if (defect_is(DEFECT_ATOMIC_SLEEP))
		spin_lock(&defect_spinlock);
}

static inline void defect_leave(bool failed)
{
	if (defect_is(DEFECT_ATOMIC_SLEEP))
		spin_unlock(&defect_spinlock);
	if (defect_is(DEFECT_LOST_UNLOCK) && !failed)
		mutex_unlock(&defect_mutex);
}

#else

static inline int defect_choose(void)
{
	return 0;
}

static inline bool defect_is(enum defect defect)
{
	return false;
}

static inline void defect_enter(void)
{
}

static inline void defect_leave(bool failed)
{
}

#endif

#endif
