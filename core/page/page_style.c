/* core/page/page_style.c - how pages look (page.h): light and dark as the reader's system has it,
 * narrow windows, tables that scroll inside their own boxes. Each page adds what only it has.
 *
 * Text has a contrast of 4.5 to 1 at least with what is behind it, in both schemes. */
#include "core/page/page.h"

const char page_style[] =
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
    ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;overflow-wrap:normal}\n"
    "th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);"
    "vertical-align:top}th{color:var(--faint);font-weight:600}"
    "td.number,th.number{text-align:right;white-space:nowrap}\n"
    "@media(max-width:40rem){.lane{grid-template-columns:minmax(0,1fr)}}\n";
