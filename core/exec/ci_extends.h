/* core/exec/ci_extends.h - `extends:` of all jobs, merged.
 */
#pragma once

#include "core/exec/ci_reading.h"

/* reading->top as it is with what jobs extend merged into them. */
void ci_extends_resolve(struct ci_reading *reading);
