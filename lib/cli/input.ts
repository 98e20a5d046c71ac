/** What was typed, by name and kind. Commander has checked it; a name that no row declares is a mistake in the table. */
export interface Input {
  argument(index: number): string;
  optionalArgument(index: number): string | undefined;
  text(name: string): string | undefined;
  /** Empty when the option was not given. */
  list(name: string): readonly string[];
  /** undefined when the option was not given, which is not the same as none. */
  givenList(name: string): readonly string[] | undefined;
  number(name: string): number | undefined;
  switched(name: string): boolean;
  /** `--wait` true, `--no-wait` false, neither undefined. */
  choice(name: string): boolean | undefined;
}

export function createInput(args: readonly unknown[], options: Readonly<Record<string, unknown>>): Input {
  const optionalArgument = (index: number) => (typeof args[index] === 'string' ? args[index] : undefined);
  const givenList = (name: string) => (Array.isArray(options[name]) ? options[name].map(String) : undefined);
  return {
    argument: (index) => {
      const value = optionalArgument(index);
      if (value === undefined) throw new RangeError(`argument ${index} is not in the command table as <required>`);
      return value;
    },
    optionalArgument,
    text: (name) => (typeof options[name] === 'string' ? options[name] : undefined),
    list: (name) => givenList(name) ?? [],
    givenList,
    number: (name) => (typeof options[name] === 'number' ? options[name] : undefined),
    switched: (name) => options[name] === true,
    choice: (name) => (typeof options[name] === 'boolean' ? options[name] : undefined),
  };
}
