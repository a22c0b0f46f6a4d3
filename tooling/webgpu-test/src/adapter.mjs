// A WebGPU adapter for machines without a GPU: SwiftShader, a Vulkan driver that is a program on the CPU, from npm.
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createBrotliDecompress } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const cache = join(here, '..', '..', '..', 'node_modules', '.cache');

/** @typedef {'swiftshader' | 'lavapipe' | 'system' | 'none'} Adapter */

/**
 * Which adapter the environment asks for: `SEQ_GPU` = swiftshader (default), lavapipe (Mesa, from the system), system
 * (whatever Vulkan finds) or none.
 *
 * @returns {Adapter}
 */
export function chosenAdapter() {
  const name =
    process.env['SEQ_GPU'] ??
    (process.platform === 'linux' && process.arch === 'x64' ? 'swiftshader' : 'system');
  if (name === 'swiftshader' || name === 'lavapipe' || name === 'system' || name === 'none') return name;
  throw new Error(`SEQ_GPU: must be swiftshader, lavapipe, system or none, got ${name}.`);
}

const home = join(here, '..', 'node_modules', '@sparticuz', 'chromium');

/**
 * Fills a folder under node_modules/.cache, once; several processes may do so at the same time.
 *
 * @param {string} name                              the folder's name, to which the version is added
 * @param {(folder: string) => Promise<void>} fill   writes into an empty folder
 */
async function once(name, fill) {
  const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  const target = join(cache, `${name}-${version}`);
  if (existsSync(target)) return target;
  mkdirSync(cache, { recursive: true });
  const temporary = mkdtempSync(join(cache, `${name}-`));
  await fill(temporary);
  try {
    renameSync(temporary, target);
  } catch {
    // Another process was faster.
    rmSync(temporary, { recursive: true, force: true });
  }
  return target;
}

/** Unpacks an archive of `@sparticuz/chromium`. @param {string} archive @param {string} folder */
async function untar(archive, folder) {
  const tar = await import('tar');
  const source = createReadStream(join(home, 'bin', archive));
  await pipeline(source, createBrotliDecompress(), tar.extract({ cwd: folder }));
}

/**
 * The environment variables with which a Node process sees the chosen adapter. They must be set before it starts:
 * the loader of shared libraries reads them then.
 *
 * @returns {Promise<Record<string, string>>}
 */
export async function adapterEnvironment() {
  switch (chosenAdapter()) {
    case 'swiftshader': {
      const folder = await once('swiftshader', (to) => untar('swiftshader.tar.br', to));
      const path = process.env['LD_LIBRARY_PATH'];
      return {
        LD_LIBRARY_PATH: path?.split(':').includes(folder)
          ? path
          : [folder, ...(path ? [path] : [])].join(':'),
        VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json'),
      };
    }
    case 'lavapipe':
      return { VK_ICD_FILENAMES: process.env['SEQ_LAVAPIPE_ICD'] ?? '/usr/share/vulkan/icd.d/lvp_icd.json' };
    case 'system':
      return {};
    case 'none': {
      // A list of drivers that names none hides those of the system; newer loaders read the second variable.
      const nowhere = join(cache, 'no-driver.json');
      return { VK_ICD_FILENAMES: nowhere, VK_DRIVER_FILES: nowhere };
    }
  }
}

/**
 * A headless Chromium with WebGPU: what playwright's `launch` takes. On Linux x64 it comes from npm and runs on
 * SwiftShader; elsewhere it is the Chrome that is installed. `SEQ_CHROMIUM` names another program.
 *
 * @returns {Promise<{ executablePath?: string, channel?: string, args: string[], env?: Record<string, string> }>}
 */
export async function browserLaunch() {
  const args = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
  const other = process.env['SEQ_CHROMIUM'];
  if (other) return { executablePath: other, args };
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return { channel: 'chrome', args: ['--enable-unsafe-webgpu'] };
  // Chromium looks for the driver beside itself.
  const folder = await once('chromium', async (to) => {
    const program = createReadStream(join(home, 'bin', 'chromium.br'));
    await pipeline(
      program,
      createBrotliDecompress(),
      createWriteStream(join(to, 'chromium'), { mode: 0o755 }),
    );
    await untar('swiftshader.tar.br', to);
    await untar('al2023.tar.br', to);
  });
  const inherited = Object.entries(process.env).filter(
    ([key, value]) => value !== undefined && key !== 'VK_ICD_FILENAMES',
  );
  const env = {
    .../** @type {Record<string, string>} */ (Object.fromEntries(inherited)),
    LD_LIBRARY_PATH: join(folder, 'lib'),
  };
  return { executablePath: join(folder, 'chromium'), args, env };
}
