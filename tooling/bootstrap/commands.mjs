// The commands of the repository. Each takes the arguments the user typed and gives an exit code.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { clearReports, printSummary, readReports } from './report.mjs';
import { readStamp, root, run, toolEnvironment, toolNode, writeStamp } from './setup.mjs';

/** @typedef {(args: string[]) => Promise<number>} Command */

/** The file behind a program of an npm package. @param {string} name @param {string} [bin] @returns {string} */
function programFile(name, bin = name) {
  const manifest = join(root, 'node_modules', name, 'package.json');
  const { bin: bins } = JSON.parse(readFileSync(manifest, 'utf8'));
  return join(dirname(manifest), typeof bins === 'string' ? bins : bins[bin]);
}

/** Runs Node on a file. @param {string[]} args @param {string} [cwd] @param {Record<string, string>} [more] */
function node(args, cwd = root, more = {}) {
  const { path, note } = toolNode();
  if (note) console.warn(`seq: ${note}. Trying all the same; if a tool refuses, install a newer Node.`);
  return run(path, args, { cwd, env: { ...toolEnvironment(), ...more } });
}

/**
 * What a process needs in its environment, before it starts, to find the WebGPU adapter that `SEQ_GPU` names; nothing
 * unless it was asked for WebGPU. @param {string[]} args @returns {Promise<Record<string, string>>}
 */
async function forWebGPU(args) {
  const counting = args.includes('--counts') && args.includes('--peers');
  if (!counting && !args.some((arg) => arg.endsWith('webgpu'))) return {};
  const { adapterEnvironment } = await import('../webgpu-test/src/adapter.mjs');
  return adapterEnvironment();
}

/** Runs Node on a file and shows what it prints only when it fails. @param {string[]} args @returns {number} its exit code */
function quietly(args) {
  const { path } = toolNode();
  const { status, stdout, stderr } = spawnSync(path, args, {
    cwd: root,
    env: toolEnvironment(),
    encoding: 'utf8',
  });
  if (status !== 0) process.stderr.write(`${stdout}${stderr}`);
  return status ?? 1;
}

/** Runs a TypeScript program of tooling/ on the sources. @param {string} file @param {string[]} args */
async function typescript(file, args) {
  const tsx = createRequire(join(root, 'package.json')).resolve('tsx');
  return node(
    ['--import', pathToFileURL(tsx).href, join(root, file), ...args],
    process.env['INIT_CWD'] ?? root,
    await forWebGPU(args),
  );
}

/** Builds the lab (from the cache when nothing changed) and runs it. @param {string} command @param {string[]} args */
async function lab(command, args) {
  const build = quietly([
    programFile('turbo'),
    'run',
    'build',
    '--filter=seq-lab',
    '--output-logs=errors-only',
  ]);
  if (build !== 0) return build;
  const cli = join(root, 'apps', 'lab', 'dist', 'cli.js');
  return node([cli, command, ...args], process.env['INIT_CWD'] ?? root, await forWebGPU(args));
}

/** @param {string[]} args */
const turbo = (args) => node([programFile('turbo'), 'run', '--no-update-notifier', ...args]);
/** @param {string[]} args */
const vitest = (args) => node([programFile('vitest'), ...args]);
/** Packages as people name them: `rnn`, `packages/rnn`, `@seq/rnn`, `seq-lab`. @param {string[]} packages @returns {string[]} */
export const filters = (packages) =>
  packages.map((name) => {
    if (name.startsWith('@') || name === 'seq-lab') return `--filter=${name}`;
    return name.includes('/')
      ? `--filter=./${name.replace(/^\.\//, '').replace(/\/$/, '')}`
      : `--filter=@seq/${name}`;
  });

/** @type {Record<string, Command>} */
export const commands = {
  /** Compares the architectures. */
  demo: (args) => lab('compare', args),

  /** All unit tests; with arguments, Vitest on the files whose path contains one of them. */
  async test(args) {
    if (args.length > 0) return vitest(['run', ...args]);
    // The tools' own tests use what came with Node 22; those of the packages run on any Node we support.
    const { note } = toolNode();
    const groups = note ? ['packages', 'apps'] : ['packages', 'apps', 'tooling'];
    clearReports(groups);
    const code = await turbo([
      'test',
      '--continue',
      '--concurrency=1',
      '--output-logs=new-only',
      ...groups.map((group) => `--filter=./${group}/*`),
    ]);
    if (note) console.log(`\nskipped: the tests of tooling/ (${note})`);
    return printSummary(readReports(groups), code);
  },

  /** The laws of every mechanism on WebGPU: in Node, or where arguments say; without arguments in a browser too. */
  async 'test:gpu'(args) {
    const rooms = ['packages/attention', 'packages/conv', 'packages/nn', 'packages/rnn'];
    const kernels = ['packages/webgpu-kernels/src/verify/designs', 'tooling/conformance/src/flash-core'];
    const where = args.length > 0 ? args : [...rooms, ...kernels];
    const browser = ['--config', 'tooling/webgpu-test/vitest.config.ts', 'laws.browser'];
    const [sum, codes] = [{ passed: 0, failed: 0 }, /** @type {number[]} */ ([])];
    for (const run of [['-t', 'webgpu', ...where], ...(args.length > 0 ? [] : [browser])]) {
      const file = join(root, 'node_modules', '.cache', 'laws-gpu.json');
      rmSync(file, { force: true });
      const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
      codes.push(
        await node([programFile('vitest'), 'run', ...reporters, ...run], root, { SEQ_LAWS: 'webgpu' }),
      );
      const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(file, 'utf8'));
      sum.passed += numPassedTests;
      sum.failed += numFailedTests;
    }
    console.log(`\n${sum.passed} passed, ${sum.failed} failed`);
    return Math.max(...codes);
  },
  /** Serves the lab as a page that trains in the browser. */
  'lab:page': (args) => lab('page', args),
  build: (args) => turbo(['build', ...filters(args)]),
  /** Benches of packages; with --peers Seq beside other libraries, --counts what models ask of a GPU, --endurance long runs, --memories linear attention beside flash. */
  bench: (args) =>
    ['--peers', '--counts', '--endurance', '--memories'].some((kind) => args.includes(kind))
      ? typescript('tooling/bench/src/run.ts', args)
      : turbo(['bench', '--concurrency=1', ...filters(args)]),
  check: (args) => typescript('tooling/check/src/run.ts', args),
  golden: (args) => typescript('tooling/golden/src/run.ts', args),
  /** Makes a mechanism or a package; a package is installed on the way, so that what is installed is up to date. */
  async new(args) {
    const code = await typescript('tooling/new/src/run.ts', args);
    const stamp = readStamp();
    if (code === 0 && stamp) writeStamp(stamp.pnpm);
    return code;
  },
  /** Makes a mechanism and a package in a copy of the repository and judges both. */
  'new:test': (args) => typescript('tooling/new/src/rehearse.ts', args),
  /** Installs, compiles, runs and bundles each package as npm would hand it out. */
  packed: (args) => typescript('tooling/packed/src/run.ts', args),
  /** Releases a copy of the repository to a registry on this machine, and installs from it. */
  'release:rehearse': (args) => typescript('tooling/packed/src/rehearse.ts', args),
  changeset: (args) => node([programFile('@changesets/cli', 'changeset'), ...args]),
  readme: (args) => typescript('tooling/readme/src/run.ts', args),
  /** Fixes what the linter can fix, then formats. */
  async format(args) {
    const fixed = await node([
      programFile('oxlint'),
      '-c',
      'tooling/config/oxlint.json',
      '--type-aware',
      '--fix',
      '--quiet',
      ...args,
    ]);
    const ignore = ['.gitignore', 'tooling/config/format.ignore'].flatMap((file) => ['--ignore-path', file]);
    const formatted = await node([
      programFile('oxfmt'),
      '-c',
      'tooling/config/oxfmt.json',
      ...ignore,
      ...args,
    ]);
    return fixed || formatted;
  },
};
