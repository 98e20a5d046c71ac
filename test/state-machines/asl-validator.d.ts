/** The package ships no types. What is used of it: a function that takes a definition. */
declare module 'asl-validator' {
  interface Validation {
    readonly isValid: boolean;
    readonly errorsText: (separator?: string) => string;
  }
  function validate(definition: unknown): Validation;
  export = validate;
}
