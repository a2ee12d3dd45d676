/* cmocka.h with what it needs before it. */
#ifndef TESTS_UNIT_SHIM_CMOCKA_ALL_H
#define TESTS_UNIT_SHIM_CMOCKA_ALL_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
