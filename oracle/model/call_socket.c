/* Sockets that have an address, and descriptors sent over sockets. */
#include "oracle/model/kinds.h"

void model_call_LISTEN(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_CONNECT(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_ACCEPT4(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_SEND(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_SETSOCKOPT(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_SEND_FD(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}

void model_call_RECV_FD(struct model *model)
{
    model_beyond(model, "the model does not know this operation");
}
