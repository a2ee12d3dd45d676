// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/epoll_batch - many epoll_ctl calls in one system call
 *
 * The vector is copied in once, carried out in order by the kernel's own
 * do_epoll_ctl(), and the results are copied out. What can fail is done before
 * the first operation, so that a call that fails has done nothing.
 *
 * Neither do_epoll_ctl() nor a function that waits is exported to modules.
 * Both are looked up by a kprobe that is taken away again at once, and checked
 * before they are used; where that does not work out the module does not load.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compat.h>
#include <linux/eventpoll.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/uaccess.h>

#include <asm/ibt.h>

#include "defects.h"
#include "epoll_batch.h"
#include "validate.h"

#ifndef CONFIG_X86_64
#error "epoll_batch needs x86-64: it calls a system call's entry point of that"
#endif
#ifdef CONFIG_CFI_CLANG
#error "epoll_batch calls functions by their addresses, which CFI forbids"
#endif

/* A batch of so many operations or fewer needs no memory but the stack. */
#define EPB_SMALL	8

struct epb_batch {
	struct epoll_batch_op *ops;
	s32 *results;
	u32 count;
	u32 flags;
	bool stopped;	/* by EPOLL_BATCH_STOP, or a fatal signal */
	const struct epoll_batch_op __user *user_ops;
	s32 __user *user_results;
	struct epoll_batch_op small_ops[EPB_SMALL];
	s32 small_results[EPB_SMALL];
};

/* The kernel's own prototype, so that another one does not compile. */
static typeof(do_epoll_ctl) *epb_do_epoll_ctl;
static long (*epb_sys_epoll_pwait2)(const struct pt_regs *regs);

static int epb_ctl_as(const struct epoll_batch_op *op, int as)
{
	struct epoll_event event = {
		.events = (__force __poll_t)op->events,
		.data = op->data,
	};

	return epb_do_epoll_ctl(op->epfd, as, op->fd, &event, false);
}

static int epb_ctl(const struct epoll_batch_op *op, u32 flags)
{
	int result = epb_ctl_as(op, op->op);
	int again;

	if (!(flags & EPOLL_BATCH_FIXUPS))
		return result;
	if (op->op == EPOLL_CTL_ADD && result == -EEXIST)
		again = epb_ctl_as(op, EPOLL_CTL_MOD);
	else if (op->op == EPOLL_CTL_MOD && result == -ENOENT)
		again = epb_ctl_as(op, EPOLL_CTL_ADD);
	else
		return result;
	return again ? again - EPOLL_BATCH_SECOND : EPOLL_BATCH_REPAIRED;
}

/* Returns how many operations have been carried out. */
static u32 epb_execute(struct epb_batch *batch)
{
	u32 shift = defect_is(DEFECT_RESULT_SHIFTED);
	bool failed = false;
	u32 done = 0;

	defect_enter();
	while (done < batch->count && !batch->stopped) {
		int result;

		if (defect_is(DEFECT_READ_TWICE) &&
		    copy_from_user(&batch->ops[done], &batch->user_ops[done],
				   sizeof(batch->ops[done])))
			break;
		result = epb_ctl(&batch->ops[done], batch->flags);
		batch->results[done + shift] = result;
		done++;
		failed |= result < 0;
		/* Signals that are not fatal can wait: a batch is bounded. */
		batch->stopped = fatal_signal_pending(current) ||
				 (result < 0 && (batch->flags & EPOLL_BATCH_STOP));
		cond_resched();
	}
	defect_leave(failed);
	return done;
}

static void epb_free(struct epb_batch *batch)
{
	if (batch->ops != batch->small_ops)
		kvfree(batch->ops);
	if (batch->results != batch->small_results)
		kvfree(batch->results);
}

static int epb_allocate(struct epb_batch *batch)
{
	batch->ops = batch->small_ops;
	batch->results = batch->small_results;
	if (batch->count <= EPB_SMALL)
		return 0;
	batch->ops = kvmalloc_array(batch->count, sizeof(*batch->ops),
				    GFP_KERNEL_ACCOUNT);
	batch->results = kvmalloc_array(batch->count, sizeof(*batch->results),
					GFP_KERNEL_ACCOUNT);
	if (defect_is(DEFECT_LOST_MEMORY_CHECK))
		return 0;
	if (batch->ops && batch->results)
		return 0;
	epb_free(batch);
	return -ENOMEM;
}

/*
 * Makes a batch of what the program passed, which is valid. Every result says that its
 * operation has not been carried out, also in the program's memory: so it is
 * known to take the results before anything happens.
 */
static int epb_load(struct epb_batch *batch, const struct epoll_batch_run *run)
{
	int err;
	u32 i;

	batch->count = run->count;
	batch->flags = run->flags;
	batch->stopped = false;
	batch->user_ops = u64_to_user_ptr(run->ops);
	batch->user_results = u64_to_user_ptr(run->results);
	err = epb_allocate(batch);
	if (err)
		return err;
	for (i = 0; i < batch->count; i++)
		batch->results[i] = -ECANCELED;
	if (copy_from_user(batch->ops, batch->user_ops,
			   batch->count * sizeof(*batch->ops)) ||
	    copy_to_user(batch->user_results, batch->results,
			 batch->count * sizeof(*batch->results))) {
		epb_free(batch);
		return -EFAULT;
	}
	return 0;
}

/* Carries the batch out and gives its memory back. */
static long epb_finish(struct epb_batch *batch)
{
	u32 done = epb_execute(batch);
	long ret = done;

	if (defect_is(DEFECT_USE_AFTER_PUT))
		epb_free(batch);
	if (copy_to_user(batch->user_results, batch->results,
			 done * sizeof(*batch->results)))
		ret = -EFAULT;
	if (!defect_is(DEFECT_USE_AFTER_PUT))
		epb_free(batch);
	if (defect_is(DEFECT_RESTARTED) && signal_pending(current))
		ret = -ERESTARTSYS;
	return ret;
}

static long epb_run(const struct epoll_batch_run *run)
{
	struct epb_batch batch;
	int err;

	err = epb_load(&batch, run);
	if (err)
		return err;
	return epb_finish(&batch);
}

/*
 * Whether the batch has left a file to be released when this thread returns to
 * user space: another thread closed it while the operation on it was running.
 * A thread that slept now would keep a socket open, or a port taken.
 */
static bool epb_owes_release(void)
{
	return task_work_pending(current) && !defect_is(DEFECT_SLEPT_ON_RELEASE);
}

static s32 epb_do_wait(const struct epoll_batch_wait *wait)
{
	struct pt_regs regs = {
		.di = (u32)wait->epfd,
		.si = wait->events,
		.dx = (u32)wait->maxevents,
		.r10 = wait->timeout,
		.r8 = wait->sigmask,
		.r9 = wait->sigsetsize,
	};

	return epb_sys_epoll_pwait2(&regs);
}

static long epb_wait(const struct epoll_batch_wait *wait,
		     struct epoll_batch_wait __user *user_wait)
{
	struct epb_batch batch;
	s32 result;
	long done;
	int err;

	/* Known to take the result before anything happens. */
	if (put_user(-ECANCELED, &user_wait->result))
		return -EFAULT;
	err = epb_load(&batch, &wait->run);
	if (err)
		return err;
	done = epb_finish(&batch);
	if (done < 0 || batch.stopped)
		return done;
	if (epb_owes_release())
		result = -EAGAIN;
	else
		result = epb_do_wait(wait);
	if (put_user(result, &user_wait->result))
		return -EFAULT;
	return done;
}

static long epb_query(struct epoll_batch_info __user *user_info)
{
	const struct epoll_batch_info info = {
		.version = EPOLL_BATCH_VERSION,
		.max_ops = EPOLL_BATCH_MAX,
		.features = EPOLL_BATCH_HAS_RUN | EPOLL_BATCH_HAS_WAIT,
	};

	return copy_to_user(user_info, &info, sizeof(info)) ? -EFAULT : 0;
}

static long epb_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	union epb_request request;
	int size = epb_request_size(command);
	int err;

	if (size < 0)
		return size;
	if (copy_from_user(&request, user, size))
		return -EFAULT;
	err = epb_validate(command, &request);
	if (err)
		return err;
	switch (command) {
	case EPOLL_BATCH_QUERY:
		return epb_query(user);
	case EPOLL_BATCH_RUN:
		return epb_run(&request.run);
	case EPOLL_BATCH_WAIT:
		return epb_wait(&request.wait, user);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations epb_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = epb_ioctl,
	/* The structures are the same for a 32-bit program. */
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice epb_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "epoll_batch",
	.fops = &epb_fops,
	/* It does nothing that its user could not do by epoll_ctl. */
	.mode = 0666,
};

/*
 * The address of a function that the kernel does not export, or NULL behind a
 * line in the log that says why not.
 */
static void *epb_resolve(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	char found[KSYM_SYMBOL_LEN];
	size_t length = strlen(name);
	unsigned long address;
	int err;

	err = register_kprobe(&probe);
	if (err) {
		pr_err("this kernel has no %s that can be found: error %d\n",
		       name, err);
		return NULL;
	}
	address = (unsigned long)probe.addr;
	unregister_kprobe(&probe);

#ifdef CONFIG_X86_KERNEL_IBT
	/* The probe goes behind the ENDBR that a call by address must meet. */
	if (is_endbr(*(u32 *)(address - ENDBR_INSN_SIZE)))
		address -= ENDBR_INSN_SIZE;
	if (cpu_feature_enabled(X86_FEATURE_IBT) && !is_endbr(*(u32 *)address)) {
		pr_err("%s cannot be called by address: this kernel uses IBT, and has sealed it; expected ibt=off\n",
		       name);
		return NULL;
	}
#endif
	sprint_symbol(found, address);
	if (strncmp(found, name, length) || strncmp(found + length, "+0x0/", 5)) {
		pr_err("%s was looked for and %s found: this kernel cannot be served\n",
		       name, found);
		return NULL;
	}
	return (void *)address;
}

/* Both functions, asked for what they answer in every kernel. */
static int epb_check(void)
{
	const struct epoll_batch_op op = {
		.epfd = -1,
		.op = EPOLL_CTL_DEL,
		.fd = -1,
	};
	const struct epoll_batch_wait wait = {
		.epfd = -1,
		.maxevents = -1,
	};
	int ctl = epb_ctl(&op, 0);
	int waited = epb_do_wait(&wait);

	if (ctl == -EBADF && (waited == -EINVAL || waited == -EBADF))
		return 0;
	pr_err("do_epoll_ctl answers %d and epoll_pwait2 %d to bad arguments: this kernel cannot be served\n",
	       ctl, waited);
	return -EOPNOTSUPP;
}

static int __init epb_init(void)
{
	int err = defect_choose();

	if (err)
		return err;
	epb_do_epoll_ctl = epb_resolve("do_epoll_ctl");
	epb_sys_epoll_pwait2 = epb_resolve("__x64_sys_epoll_pwait2");
	if (!epb_do_epoll_ctl || !epb_sys_epoll_pwait2)
		return -EOPNOTSUPP;
	err = epb_check();
	if (err)
		return err;
	err = misc_register(&epb_device);
	if (err)
		pr_err("the device cannot be registered: error %d\n", err);
	return err;
}

static void __exit epb_exit(void)
{
	misc_deregister(&epb_device);
}

module_init(epb_init);
module_exit(epb_exit);

MODULE_DESCRIPTION("many epoll_ctl calls in one system call");
MODULE_LICENSE("GPL");
