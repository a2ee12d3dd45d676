/*
 * Operations on lives that the model does not follow: it says so, and nothing about what comes
 * behind them.
 */
#include "oracle/model/state.h"

void model_call_PTHREAD_CANCEL(struct model *model)
{
    model_beyond(model, "the model does not know cancellation");
}

void model_call_PTHREAD_SETCANCELTYPE(struct model *model)
{
    model_beyond(model, "the model does not know cancellation");
}

void model_call_EXECVE(struct model *model)
{
    model_beyond(model, "the model does not know new program images");
}

void model_call_VFORK_EXEC(struct model *model)
{
    model_beyond(model, "the model does not know new program images");
}

void model_call_POSIX_SPAWN(struct model *model)
{
    model_beyond(model, "the model does not know new program images");
}

void model_call_SIGACTION(struct model *model)
{
    model_beyond(model, "the model does not know signal handlers");
}

void model_call_TGKILL(struct model *model)
{
    model_beyond(model, "the model does not know signal handlers");
}
