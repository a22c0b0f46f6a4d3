// What is installed, and how to install it. No dependencies: this runs before there are any.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const stampFile = join(root, 'node_modules', '.seq', 'installed.json');
const windows = process.platform === 'win32';

/** @typedef {{ lockfile: string, pnpm: string }} Stamp  Hash of the lockfile that was installed; folder that holds pnpm. */

/** The hash that decides whether node_modules is up to date. @param {string} folder @returns {string} */
export function lockfileHash(folder = root) {
  const hash = createHash('sha256');
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) hash.update(readFileSync(join(folder, file)));
  return hash.digest('hex');
}

/** The record of the last installation. @param {string} file @returns {Stamp | undefined} */
export function readStamp(file = stampFile) {
  try {
    const stamp = JSON.parse(readFileSync(file, 'utf8'));
    return typeof stamp.lockfile === 'string' && typeof stamp.pnpm === 'string' ? stamp : undefined;
  } catch {
    return undefined;
  }
}

/** True when node_modules belongs to the lockfile and pnpm is still where it was. */
export function isInstalled() {
  const stamp = readStamp();
  return (
    stamp !== undefined &&
    stamp.lockfile === lockfileHash() &&
    existsSync(join(stamp.pnpm, windows ? 'pnpm.cmd' : 'pnpm'))
  );
}

/** The pnpm of package.json's `packageManager`, such as `pnpm@12.21.0`. @returns {string} */
export function pinnedPnpm() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).packageManager;
}

/**
 * Installs with the pinned pnpm, which npx fetches from the npm registry.
 * @returns {Promise<string | undefined>} why it failed, undefined when it worked
 */
export async function install() {
  const pnpm = pinnedPnpm();
  console.log(
    `seq: installing the tools and linking the packages (${pnpm}, the first time about half a minute) …`,
  );
  const script = JSON.stringify(join('tooling', 'bootstrap', 'install.mjs'));
  const code = await run('npm', ['exec', '--yes', `--package=${pnpm}`, '--call', `node ${script}`], {
    shell: windows,
    // Quiet npm about settings that only pnpm knows.
    env: { ...process.env, npm_config_loglevel: 'error' },
  });
  return code === 0 ? undefined : `exit code ${code}`;
}

/** Writes the record of an installation. @param {string} pnpm folder that holds the pnpm program */
export function writeStamp(pnpm) {
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, `${JSON.stringify({ lockfile: lockfileHash(), pnpm })}\n`);
}

/** The folder on a PATH in which a program lies. @param {string} name @param {string} path @returns {string | undefined} */
export function findOnPath(name, path = process.env['PATH'] ?? '') {
  const file = windows ? `${name}.cmd` : name;
  return path.split(delimiter).find((folder) => folder !== '' && existsSync(join(folder, file)));
}

/**
 * The Node that runs the tools: the one installed from npm where there is one for this platform, else the host's.
 * @returns {{ path: string, note?: string }} `note` says why not everything may run: it is the host's, and older than the tools ask for
 */
export function toolNode() {
  const local = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(local) && spawnSync(local, ['--version']).status === 0) return { path: local };
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return { path: process.execPath };
  return {
    path: process.execPath,
    note: `npm has no Node for ${process.platform}-${process.arch} and yours is ${process.versions.node}, the tools ask for 22.18 or newer`,
  };
}

/** The first Node on the PATH that belongs to the machine and not to node_modules. @returns {string} */
export function hostNode(path = process.env['PATH'] ?? '') {
  const own = path.split(delimiter).filter((folder) => !folder.includes('node_modules'));
  const file = windows ? 'node.exe' : 'node';
  const folder = own.find((candidate) => candidate !== '' && existsSync(join(candidate, file)));
  return folder ? join(folder, file) : process.execPath;
}

/** The environment in which tools run: tool Node, local programs and pnpm come first. @returns {NodeJS.ProcessEnv} */
export function toolEnvironment() {
  const folders = [dirname(toolNode().path), join(root, 'node_modules', '.bin'), readStamp()?.pnpm ?? ''];
  return {
    ...process.env,
    PATH: [...folders, process.env['PATH'] ?? ''].filter((folder) => folder !== '').join(delimiter),
    SEQ_HOST_NODE: hostNode(),
    TURBO_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
  };
}

/**
 * Runs a program with the terminal attached; Ctrl-C is left to the child, whose exit code counts.
 * @param {string} program @param {string[]} args @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<number>} its exit code, 128 + the signal's number when it was killed, 127 when it could not start
 */
export function run(program, args, options = {}) {
  const ignore = () => {};
  process.on('SIGINT', ignore);
  process.on('SIGTERM', ignore);
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: 'inherit', ...options });
    const terminate = () => child.kill('SIGTERM');
    process.on('SIGTERM', terminate);
    const done = (/** @type {number} */ code) => {
      process.off('SIGINT', ignore);
      process.off('SIGTERM', ignore);
      process.off('SIGTERM', terminate);
      resolve(code);
    };
    child.on('error', (error) => {
      console.error(`seq: ${program}: ${error.message}`);
      done(127);
    });
    child.on('close', (code, signal) =>
      done(code ?? 128 + (signal === 'SIGINT' ? 2 : signal === 'SIGKILL' ? 9 : 15)),
    );
  });
}
