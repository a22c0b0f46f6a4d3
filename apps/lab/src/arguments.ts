import { InvalidArgumentError } from 'commander';
import { recipeNames } from './recipes.js';

// Parsers of option values: each returns the value or throws what commander prints as a usage error.

/** A whole number of at least `least`, at most `most`. */
export function wholeNumber(least: number, most = Infinity): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!Number.isSafeInteger(n) || n < least || n > most || text.trim() === '') {
      const range = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
      throw new InvalidArgumentError(`It must be a whole number ${range}.`);
    }
    return n;
  };
}

/** A number above `low` (or from `low` on, when `inclusive`) and up to `high`. */
export function numberBetween(low: number, high: number, inclusive = false): (text: string) => number {
  return (text) => {
    const n = Number(text);
    const inside = inclusive ? n >= low : n > low;
    if (!Number.isFinite(n) || !inside || n > high || text.trim() === '') {
      throw new InvalidArgumentError(
        `It must be a number ${inclusive ? 'from' : 'above'} ${low}${high === Infinity ? '' : ` to ${high}`}.`,
      );
    }
    return n;
  };
}

/** Names of recipes, separated by commas. */
export function modelList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!recipeNames.includes(name))
      throw new InvalidArgumentError(`"${name}" is no model. Models: ${recipeNames.join(', ')}.`);
  }
  if (new Set(names).size !== names.length) throw new InvalidArgumentError('A model is named twice.');
  return names;
}

/** `\n` and `\t` as they are typed on a command line become a new line and a tab. */
export function promptText(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  return text.replaceAll('\\n', '\n').replaceAll('\\t', '\t');
}
