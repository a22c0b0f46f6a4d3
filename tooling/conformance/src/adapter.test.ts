import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { adapterEnvironment } from '../../webgpu-test/src/adapter.mjs';

const chosen = process.env['SEQ_GPU'];
afterEach(() => {
  if (chosen === undefined) delete process.env['SEQ_GPU'];
  else process.env['SEQ_GPU'] = chosen;
});

/** Whether a process of its own finds an adapter in this environment. */
async function findsOne(environment: Record<string, string>): Promise<boolean> {
  const program = `
    import('webgpu').then(async ({ create }) => {
      const adapter = await create([]).requestAdapter();
      process.stdout.write(String(adapter !== null));
      process.exit(0);
    });`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], {
    cwd: join(import.meta.dirname, '../../../packages/webgpu-kernels'),
    env: { ...process.env, ...environment },
  });
  return stdout === 'true';
}

test('none hides every driver, those of the system too', async () => {
  process.env['SEQ_GPU'] = 'none';
  expect(await findsOne(await adapterEnvironment())).toBe(false);
});

test.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('swiftshader is found', async () => {
  process.env['SEQ_GPU'] = 'swiftshader';
  expect(await findsOne(await adapterEnvironment())).toBe(true);
});
