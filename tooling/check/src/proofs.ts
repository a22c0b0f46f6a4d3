import { styleText } from 'node:util';

/** Proves one thing: findings, none when it holds; `note` adds a word to its line. */
export type Proof = (note: (text: string) => void) => Promise<readonly string[]> | readonly string[];

/** Counts proofs and prints one line for each. */
export interface Proofs {
  /** Runs a proof; an error it throws is its finding. Resolves to whether it held. */
  prove(name: string, proof: Proof): Promise<boolean>;
  /** Says that a proof could not be made on this machine, and why. */
  skip(name: string, reason: string): void;
  /** Prints `TITLE: N passed, N failed[, N skipped]` and gives the exit code. */
  end(): number;
}

/** A list of proofs that ends in a sum. */
export function proofs(title: string, print: (line: string) => void = console.log): Proofs {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const indent = (text: string): string => text.replace(/^/gm, '    ');
  return {
    async prove(name, proof) {
      const start = performance.now();
      const notes: string[] = [];
      let findings: readonly string[];
      try {
        findings = await proof((text) => void notes.push(text));
      } catch (error) {
        findings = [String(error instanceof Error ? error.stack : error)];
      }
      const held = findings.length === 0;
      count[held ? 'passed' : 'failed']++;
      const verdict = held ? styleText('green', 'ok     ') : styleText('red', 'FAILED ');
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      print(`${verdict} ${seconds.padStart(5)} s  ${[name, ...notes].join('  ')}`);
      for (const found of findings) print(indent(found));
      return held;
    },
    skip(name, reason) {
      count.skipped++;
      print(`${styleText('yellow', 'skipped')}          ${name}: ${reason}`);
    },
    end() {
      const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
      print(`${title}: ${count.passed} passed, ${count.failed} failed${skipped}`);
      return count.failed === 0 && count.passed > 0 ? 0 : 1;
    },
  };
}
