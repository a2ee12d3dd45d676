/* Timers, signals, watches and folders as files, and the table of descriptors. */
#include "oracle/model/kinds.h"

void model_call_PPOLL(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_PSELECT(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_CLOSEFROM(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_INLINE_CLOSE(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_OPENDIR(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_CLOSEDIR(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_TIMERFD_CREATE(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_TIMERFD_SETTIME(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_SIGNALFD(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_RAISE_BLOCKED(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_INOTIFY_INIT1(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_INOTIFY_ADD_WATCH(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_FCNTL_SETFD(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_SETRLIMIT(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}
