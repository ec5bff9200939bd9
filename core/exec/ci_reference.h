/* core/exec/ci_reference.h - `!reference [job, keyword]`, replaced by what it names.
 */
#pragma once

#include "core/exec/ci_reading.h"

void ci_reference_resolve(struct ci_reading *reading); /* in reading->top */
