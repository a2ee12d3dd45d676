/* What cmocka wants before its own header. */
#ifndef EPDIFF_TESTS_TEST_H
#define EPDIFF_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"

#endif
