/** V8 and JavaScriptCore have it, the language does not: how many frames an Error records. */
interface ErrorConstructor {
  stackTraceLimit?: number;
}
