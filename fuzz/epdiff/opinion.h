/*
 * The model's opinion: whether it expects what the kernel did natively. It tells a defect of the
 * subject, an unstable program and an error of the model apart.
 */
#ifndef EPDIFF_EPDIFF_OPINION_H
#define EPDIFF_EPDIFF_OPINION_H

#include "oracle/model/model.h"

enum {
    OPINION_MAX = 255,
};

/*
 * Facts about the running kernel, probed once for the whole tool. Returns 0, or a negative errno
 * with one line in *ret_why (size bytes). The facts live as long as the tool.
 */
int opinion_facts(const struct model_facts **ret_facts, char *ret_why, size_t size);

/*
 * One sentence on a native run: "The model agrees with native." or what it expects instead, and at
 * which step, or that it has nothing to say. `scratch` is room for a trace. Returns 0 or a negative
 * errno.
 */
int opinion_say(const struct model_facts *facts, const struct trace *native, struct trace *scratch,
                char ret_text[OPINION_MAX + 1]);

#endif
