/** `minimal-gru` → `minimalGru`. */
export function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** `minimal-gru` → `MinimalGru`. */
export function pascalCase(name: string): string {
  const camel = camelCase(name);
  return camel.charAt(0).toUpperCase() + camel.slice(1);
}

/** A mechanism and the room it lives in; the name is that of its folder. */
export interface Place {
  room: string;
  name: string;
}

/** The mechanism that is copied. */
export interface Template extends Place {
  /** Its op, whose name does not contain the mechanism's; the copy calls it `NAMEOp`. */
  op?: string;
}

/**
 * Renames a mechanism in a text: paths and kinds keep the folder's name, identifiers take it in camel or Pascal case.
 * Words that merely contain the name (`schema`) stay.
 */
export function rename(text: string, from: Template, to: Place): string {
  const camel = camelCase(from.name);
  const pascal = pascalCase(from.name);
  const named = from.op === undefined ? text : text.replaceAll(from.op, `${camelCase(to.name)}Op`);
  return named
    .replaceAll(`packages/${from.room}`, `packages/${to.room}`)
    .replaceAll(`@seq/${from.room}`, `@seq/${to.room}`)
    .replace(new RegExp(`(?<=/)${from.name}(?![\\w-])`, 'g'), to.name)
    .replace(new RegExp(`(?<![\\w-])${from.name}(?=\\.(test|bench|slow)\\b)`, 'g'), to.name)
    .replace(new RegExp(`(?<![A-Za-z0-9])${camel}(?![a-z0-9])`, 'g'), camelCase(to.name))
    .replace(new RegExp(`${pascal}(?![a-z])`, 'g'), pascalCase(to.name))
    .replace(new RegExp(`\\b${camel.toUpperCase()}(?![A-Za-z0-9])`, 'g'), pascalCase(to.name));
}
