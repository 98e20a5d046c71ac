/** Whether lists and objects nest deeper than `levels`, told from the text: parsing it first would be too late. Brackets in strings do not count. */
export function isDeeperThan(json: string, levels: number): boolean {
  let depth = 0;
  let isString = false;
  for (let place = 0; place < json.length; place += 1) {
    const character = json[place];
    if (isString) {
      if (character === '\\') place += 1;
      else if (character === '"') isString = false;
    } else if (character === '"') isString = true;
    else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    if (depth > levels) return true;
  }
  return false;
}
