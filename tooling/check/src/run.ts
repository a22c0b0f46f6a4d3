import { styleText } from 'node:util';
import { checks, root } from './checks.js';

// `pnpm check [name …]`: one line per check, the findings of the failed ones, exit code 1 when any failed.
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !checks.some((check) => check.name === name));
if (unknown.length > 0) {
  console.error(
    `check: unknown ${unknown.join(', ')}. Checks: ${checks.map((check) => check.name).join(', ')}.`,
  );
  process.exit(2);
}

const chosen = wanted.length > 0 ? checks.filter((check) => wanted.includes(check.name)) : checks;
const width = Math.max(...chosen.map((check) => check.name.length));
let failed = 0;
for (const check of chosen) {
  const start = performance.now();
  const findings = await check
    .run(root)
    .catch((error: unknown) => [String(error instanceof Error ? error.stack : error)]);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const verdict = findings.length === 0 ? styleText('green', 'ok    ') : styleText('red', 'FAILED');
  console.log(`${check.name.padEnd(width)}  ${verdict}  ${seconds.padStart(5)} s  ${check.about}`);
  for (const finding of findings) console.log(finding.replace(/^/gm, '    '));
  if (findings.length > 0) failed++;
}
console.log(`check: ${chosen.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
