// The door of the repository: `node tooling/bootstrap/run.mjs COMMAND [args]`.
// Runs on Node 20 with nothing installed, installs what is missing, then hands over to the tools.
import { commands } from './commands.mjs';
import { isInstalled, install } from './setup.mjs';

const [name = '', ...rest] = process.argv.slice(2);
const command = commands[name];
if (!command) {
  console.error(`seq: unknown command "${name}". Commands: ${Object.keys(commands).join(', ')}.`);
  process.exit(2);
}

// pnpm hands `pnpm golden -- --dir x` over with the dashes, npm without.
const args = rest[0] === '--' ? rest.slice(1) : rest;

if (!isInstalled()) {
  const failed = await install();
  if (failed) {
    console.error(
      `seq: the installation failed (${failed}). It needs the npm registry; repeat the command to try again.`,
    );
    process.exit(1);
  }
}
process.exitCode = await command(args);
