// Sums up the test reports that Vitest leaves in each package's .cache/test.json.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

/** @typedef {{ name: string, passed: number, failed: number, skipped: string[], failures: string[] }} Report */

/** Folders of the workspace that have tests to run. @param {string[]} groups @param {string} folder @returns {string[]} */
export function testedFolders(groups, folder = root) {
  return groups
    .filter((group) => existsSync(join(folder, group)))
    .flatMap((group) => readdirSync(join(folder, group)).map((name) => `${group}/${name}`))
    .filter((name) => {
      const manifest = join(folder, name, 'package.json');
      return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).scripts?.test !== undefined;
    });
}

const reportFile = (/** @type {string} */ folder, /** @type {string} */ name) =>
  join(folder, name, '.cache', 'test.json');

/** Removes old reports, so that a run which never started cannot pass. @param {string[]} groups @param {string} folder */
export function clearReports(groups, folder = root) {
  for (const name of testedFolders(groups, folder)) rmSync(reportFile(folder, name), { force: true });
}

/**
 * Reads one report per tested folder; a missing or broken one counts as one failure.
 * @param {string[]} groups @param {string} folder @returns {Report[]}
 */
export function readReports(groups, folder = root) {
  return testedFolders(groups, folder).map((name) => {
    try {
      return summarise(name, JSON.parse(readFileSync(reportFile(folder, name), 'utf8')));
    } catch {
      return {
        name,
        passed: 0,
        failed: 1,
        skipped: [],
        failures: ['the tests did not run to their end (no report)'],
      };
    }
  });
}

/**
 * Counts the tests of one Vitest report; a file that could not be loaded counts as one failure.
 * @param {string} name @param {any} json @returns {Report}
 */
export function summarise(name, json) {
  /** @type {Report} */
  const report = { name, passed: 0, failed: 0, skipped: [], failures: [] };
  for (const file of json.testResults) {
    for (const test of file.assertionResults) {
      if (test.status === 'passed') report.passed++;
      else if (test.status === 'failed') report.failures.push(test.fullName);
      else report.skipped.push(test.fullName);
    }
    const loaded = file.assertionResults.length > 0 || file.status === 'passed';
    if (!loaded) report.failures.push(`${file.name}: ${String(file.message).split('\n')[0]}`);
  }
  // Errors outside any test (an unhandled rejection) make Vitest fail without naming a test.
  if (json.success === false && report.failures.length === 0)
    report.failures.push('an error outside any test (see above)');
  if (report.passed + report.failures.length + report.skipped.length === 0)
    report.failures.push('has no tests');
  report.failed = report.failures.length;
  return report;
}

/**
 * Prints the table, the skipped and the failed tests and, last, `N passed, N failed`.
 * @param {Report[]} reports @param {number} code exit code of the test run @param {(line: string) => void} [print]
 * @returns {number} 0 only when everything passed
 */
export function printSummary(reports, code, print = console.log) {
  const width = Math.max(...reports.map((report) => report.name.length), 0);
  print('');
  for (const { name, passed, failed, skipped } of reports) {
    print(
      `${name.padEnd(width)}  ${String(passed).padStart(5)} passed  ${failed} failed${skipped.length ? `  ${skipped.length} skipped` : ''}`,
    );
  }
  for (const [reason, names] of groupSkipped(reports)) print(`skipped: ${reason} (${names.length})`);
  for (const { name, failures } of reports)
    for (const failure of failures) print(`FAILED ${name}: ${failure}`);
  const passed = reports.reduce((sum, report) => sum + report.passed, 0);
  let failed = reports.reduce((sum, report) => sum + report.failed, 0);
  if (code !== 0 && failed === 0) {
    print(`FAILED the test run ended with exit code ${code} though every reported test passed (see above)`);
    failed = 1;
  }
  print(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** Skipped tests by the reason at the end of their name (`… no webgpu: why`), else by their name. @param {Report[]} reports @returns {Map<string, string[]>} */
function groupSkipped(reports) {
  const groups = new Map();
  for (const { name, skipped } of reports) {
    for (const test of skipped) {
      const reason = /\bno \w+: .+$/.exec(test)?.[0] ?? `${name}: ${test}`;
      groups.set(reason, [...(groups.get(reason) ?? []), test]);
    }
  }
  return groups;
}
