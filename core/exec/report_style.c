/* core/exec/report_style.c - the style sheet of the report (report.c), light and dark, wide and
 * narrow.
 *
 * Text has a contrast of at least 4.5 in both schemes; a state is always told by a word, too. On a
 * narrow page a lane's label stands above its bar, and a table scrolls inside its own box. */
#include "core/exec/report_style.h"

const char report_style[] =
    ":root{color-scheme:light dark;--page:#fff;--text:#1c2024;--faint:#5c6670;--line:#d5dae0;"
    "--wait:#c5ccd4;--busy:#2f6fd0;--good:#2b8a4b;--warn:#b06a00;--bad:#c62f2f;"
    "--goodtext:#1d6e39;--warntext:#8a5200;--badtext:#b32424}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#15181c;--text:#e4e8ec;--faint:#a0aab4;"
    "--line:#363d45;--wait:#4a535d;--busy:#5b98f5;--good:#3fa663;--warn:#d08c28;--bad:#e25c5c;"
    "--goodtext:#6fcf8f;--warntext:#e8b060;--badtext:#f58a8a}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:75rem;padding:1rem;background:var(--page);color:var(--text);"
    "font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}\n"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.2rem;margin:2rem 0 .5rem}"
    "h3{font-size:1rem;margin:1rem 0 .25rem}\n"
    "p{margin:.25rem 0}.faint{color:var(--faint)}\n"
    ".lane{display:grid;grid-template-columns:minmax(8rem,1fr) 3fr;gap:.25rem 1rem;"
    "align-items:center;padding:.2rem 0;border-bottom:1px solid var(--line)}\n"
    ".bars{min-width:0}svg{display:block;width:100%;height:.9rem;margin:.15rem 0}\n"
    ".life{height:.4rem}rect{fill:var(--wait)}.ready{fill:var(--faint)}\n"
    ".running{fill:var(--busy)}.passed{fill:var(--good)}.allowed{fill:var(--warn)}"
    ".failed{fill:var(--bad)}\n"
    ".word-passed{color:var(--goodtext)}.word-allowed{color:var(--warntext)}"
    ".word-failed{color:var(--badtext)}\n"
    ".axis{display:grid;grid-template-columns:minmax(8rem,1fr) 3fr;gap:0 1rem;"
    "font-size:.85rem;color:var(--faint)}.ticks{display:flex;justify-content:space-between}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;overflow-wrap:normal}\n"
    "th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);"
    "vertical-align:top}th{color:var(--faint);font-weight:600}"
    "td.number,th.number{text-align:right;white-space:nowrap}\n"
    "ol{margin:0;padding-left:0;list-style:none}li{padding:.15rem 0}\n"
    "@media(max-width:40rem){.lane,.axis{grid-template-columns:minmax(0,1fr)}}\n";
