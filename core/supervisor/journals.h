/* core/supervisor/journals.h - what the fleets were told and decided, on its way into the ledger (journals.c).
 */
#pragma once

#include "core/supervisor/internal.h"

void journals_begin_turn(struct supervisor *supervisor);
void journals_end_turn(struct supervisor *supervisor);
/* Those of groups that are not there any more go. */
void journals_prune(struct supervisor *supervisor);
void journals_done(struct supervisor *supervisor); /* before fleets and ledger go */
