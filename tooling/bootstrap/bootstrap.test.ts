import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commands, filters } from './commands.mjs';
import { clearReports, printSummary, readReports, summarise, testedFolders } from './report.mjs';
import { findOnPath, isInstalled, lockfileHash, pinnedPnpm, readStamp, root, run } from './setup.mjs';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'seq-bootstrap-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(file: string, content: string | object): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content));
}

const passed = { status: 'passed', fullName: 'adds' };
const failed = { status: 'failed', fullName: 'divides' };
const skipped = { status: 'skipped', fullName: 'conformance(gru) webgpu no webgpu: this machine has none' };
const report = (tests: object[], more: object = {}): object => ({
  success: !tests.includes(failed),
  testResults: [{ name: 'a.test.ts', status: 'passed', message: '', assertionResults: tests }],
  ...more,
});

describe('root', () => {
  test('package.json has every command of the house, and each goes through the bootstrap', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const words = ['demo', 'build', 'test', 'check', 'bench', 'golden', 'new', 'changeset'];
    for (const name of [...words, 'packed', 'new:test', 'release:rehearse']) {
      expect(scripts[name], name).toBe(`node tooling/bootstrap/run.mjs ${name}`);
      expect(commands[name], name).toBeTypeOf('function');
    }
  });

  test('packages may be named in several ways', () => {
    expect(filters(['rnn', '@seq/rnn', 'packages/rnn/', './apps/lab', 'seq-lab'])).toEqual([
      '--filter=@seq/rnn',
      '--filter=@seq/rnn',
      '--filter=./packages/rnn',
      '--filter=./apps/lab',
      '--filter=seq-lab',
    ]);
  });

  test('pnpm is pinned to one exact version', () => {
    expect(pinnedPnpm()).toMatch(/^pnpm@\d+\.\d+\.\d+$/);
  });

  test('the lockfile names no registry', () => {
    expect(readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8')).not.toMatch(/https?:/);
  });
});

describe('installation', () => {
  test('the hash follows the lockfile and the workspace file', () => {
    write('pnpm-lock.yaml', 'a');
    write('pnpm-workspace.yaml', 'b');
    const before = lockfileHash(folder);
    expect(lockfileHash(folder)).toBe(before);
    write('pnpm-lock.yaml', 'a2');
    const after = lockfileHash(folder);
    expect(after).not.toBe(before);
    write('pnpm-workspace.yaml', 'b2');
    expect(lockfileHash(folder)).not.toBe(after);
  });

  test('a missing, broken or foreign stamp is no stamp', () => {
    expect(readStamp(join(folder, 'stamp.json'))).toBeUndefined();
    write('stamp.json', '{"lockfile": ');
    expect(readStamp(join(folder, 'stamp.json'))).toBeUndefined();
    write('stamp.json', { lockfile: 1, pnpm: '/x' });
    expect(readStamp(join(folder, 'stamp.json'))).toBeUndefined();
    write('stamp.json', { lockfile: 'a', pnpm: '/x' });
    expect(readStamp(join(folder, 'stamp.json'))).toEqual({ lockfile: 'a', pnpm: '/x' });
  });

  test('a copy without node_modules is not installed, and a stamp of another lockfile does not count', async () => {
    for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', 'tooling/bootstrap']) {
      cpSync(join(root, file), join(folder, file), {
        recursive: true,
        filter: (path) => !/node_modules|\.cache/.test(path),
      });
    }
    const ask = (): string => {
      const code = `console.log((await import(${JSON.stringify(`file://${folder}/tooling/bootstrap/setup.mjs`)})).isInstalled())`;
      return spawnSync(process.execPath, ['--input-type=module', '-e', code], {
        encoding: 'utf8',
      }).stdout.trim();
    };
    expect(ask()).toBe('false');
    write('bin/pnpm', '');
    write('node_modules/.seq/installed.json', { lockfile: lockfileHash(folder), pnpm: join(folder, 'bin') });
    expect(ask()).toBe('true');
    rmSync(join(folder, 'bin/pnpm'));
    expect(ask()).toBe('false');
    write('bin/pnpm', '');
    write('pnpm-lock.yaml', 'changed');
    expect(ask()).toBe('false');
    expect(typeof isInstalled()).toBe('boolean');
  });

  test('a program is found on the PATH', () => {
    write('one/tool', '');
    write('two/tool', '');
    expect(findOnPath('tool', [folder, join(folder, 'two'), join(folder, 'one')].join(':'))).toBe(
      join(folder, 'two'),
    );
    expect(findOnPath('tool', '')).toBeUndefined();
  });

  test('an unknown command names the known ones', () => {
    const result = spawnSync(process.execPath, [join(root, 'tooling/bootstrap/run.mjs'), 'tset'], {
      encoding: 'utf8',
    });
    expect(result.status).toBe(2);
    expect(result.stderr).toMatch(/unknown command "tset".*demo, test/);
  });
});

describe('running a program', () => {
  test('its exit code is ours', async () => {
    expect(await run(process.execPath, ['-e', 'process.exit(7)'])).toBe(7);
    expect(await run(process.execPath, ['-e', ''])).toBe(0);
  });

  test('a signal is 128 + its number, a program that is not there 127', async () => {
    expect(
      await run(process.execPath, ['-e', 'process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 5000)']),
    ).toBe(143);
    expect(await run(join(folder, 'nothing'), [], { stdio: 'ignore' })).toBe(127);
  });
});

describe('the sum of the tests', () => {
  const print = (
    reports: Parameters<typeof printSummary>[0],
    code: number,
  ): { lines: string[]; code: number } => {
    const lines: string[] = [];
    return { code: printSummary(reports, code, (line) => void lines.push(line)), lines };
  };

  test('passed, failed and skipped are counted', () => {
    const sum = summarise('packages/a', report([passed, passed, failed, skipped]));
    expect(sum).toEqual({
      name: 'packages/a',
      passed: 2,
      failed: 1,
      skipped: [skipped.fullName],
      failures: ['divides'],
    });
  });

  test('a file that could not be loaded is a failure', () => {
    const broken = {
      success: false,
      testResults: [
        { name: 'a.test.ts', status: 'failed', message: 'no module\nat x', assertionResults: [] },
      ],
    };
    expect(summarise('a', broken).failures).toEqual(['a.test.ts: no module']);
  });

  test('an error outside any test is a failure', () => {
    expect(summarise('a', report([passed], { success: false })).failed).toBe(1);
  });

  test('a package without tests is a failure', () => {
    expect(summarise('a', { success: true, testResults: [] }).failures).toEqual(['has no tests']);
  });

  test('the last line is the sum and the exit code follows it', () => {
    const good = summarise('a', report([passed, passed]));
    const bad = summarise('b', report([passed, failed]));
    expect(print([good], 0)).toMatchObject({ code: 0 });
    expect(print([good], 0).lines.at(-1)).toBe('2 passed, 0 failed');
    expect(print([good, bad], 1).code).toBe(1);
    expect(print([good, bad], 0).code).toBe(1);
    expect(print([good, bad], 1).lines.at(-1)).toBe('3 passed, 1 failed');
    expect(print([good, bad], 1).lines).toContain('FAILED b: divides');
  });

  test('a run that failed though all reports passed is a failure', () => {
    expect(print([summarise('a', report([passed]))], 1)).toMatchObject({ code: 1 });
    expect(print([summarise('a', report([passed]))], 1).lines.at(-1)).toBe('1 passed, 1 failed');
  });

  test('skipped tests are summed up by their reason', () => {
    const lines = print(
      [summarise('a', report([passed, skipped, { ...skipped, fullName: `other ${skipped.fullName}` }]))],
      0,
    ).lines;
    expect(lines).toContain('skipped: no webgpu: this machine has none (2)');
  });

  test('reports are read per tested folder; old ones are cleared; a missing one fails', () => {
    const groups = ['packages', 'apps', 'tooling'];
    write('packages/a/package.json', { scripts: { test: 'x' } });
    write('packages/b/package.json', { scripts: {} });
    write('tooling/c/package.json', { scripts: { test: 'x' } });
    expect(testedFolders(groups, folder)).toEqual(['packages/a', 'tooling/c']);
    write('packages/a/.cache/test.json', report([passed]));
    write('tooling/c/.cache/test.json', 'no json');
    expect(readReports(groups, folder).map(({ passed: p, failed: f }) => [p, f])).toEqual([
      [1, 0],
      [0, 1],
    ]);
    clearReports(groups, folder);
    expect(existsSync(join(folder, 'packages/a/.cache/test.json'))).toBe(false);
    expect(readReports(groups, folder).every((item) => item.failed === 1)).toBe(true);
  });
});
