/** The style sheet of the report; light or dark as the reader's system asks. */
export const pageStyle = `
:root { color-scheme: light dark; --ink: #1c1c1a; --soft: #63635e; --line: #deded8; --page: #fdfdfb; --panel: #f5f5f1; }
@media (prefers-color-scheme: dark) { :root { --ink: #ecece6; --soft: #a3a39b; --line: #3a3a36; --page: #191918; --panel: #232321; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .4rem; }
h3 { font-size: 1rem; margin: 0 0 .4rem; }
.scroll + h3 { margin-top: 1.6rem; }
h3 small { font-weight: normal; color: var(--soft); }
p { max-width: 46rem; }
.lead { font-size: 1.1rem; }
.chart { position: relative; margin: 1rem 0 1.5rem; }
.chart.tall { height: 26rem; }
.chart.tallest { height: 32rem; }
li { max-width: 46rem; margin: .3rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .35rem .9rem .35rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th { font-weight: 600; vertical-align: bottom; color: var(--soft); }
th:first-child, td:first-child { text-align: left; white-space: nowrap; }
blockquote { margin: 0 0 1.5rem; padding: .9rem 1.1rem; background: var(--panel); border-radius: .4rem; white-space: pre-wrap; overflow-wrap: anywhere; font-family: ui-serif, Georgia, serif; }
pre { background: var(--panel); padding: .8rem 1rem; border-radius: .4rem; overflow-x: auto; font-size: .88rem; }
summary { cursor: pointer; color: var(--soft); }
`;
