/** So many at a time, first come first served: the workers of a copy over all its tables. */
export interface Slots {
  /** Resolves when a place is free; the answer gives it back. */
  take(): Promise<() => void>;
}

export function createSlots(places: number): Slots {
  let free = places;
  const waiting: (() => void)[] = [];
  const release = () => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  return {
    take: async () => {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      let isGiven = false;
      return () => {
        if (isGiven) return;
        isGiven = true;
        release();
      };
    },
  };
}
