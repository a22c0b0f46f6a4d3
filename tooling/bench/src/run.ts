import { main } from './cli.js';

process.exitCode = await main(process.argv.slice(2), (text) => console.log(text));
// Workers and pools of the peers would keep the process alive.
process.exit();
