import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChunkSpan, chunksOf, cutEvenly, partsOf } from '../../../lib/domain/chunk.ts';

describe('the parts of a chunk', () => {
  it.each([
    [5000, 500, { cutRows: 500, cutsPerChunk: 10 }],
    [10, 3, { cutRows: 2, cutsPerChunk: 5 }],
    [5, 100, { cutRows: 5, cutsPerChunk: 1 }],
    [997, 100, { cutRows: 100, cutsPerChunk: 10 }],
  ])('of %i rows have at most %i', (chunkRows, partRows, wanted) => {
    expect(cutEvenly(chunkRows, partRows)).toEqual(wanted);
  });

  it('are never larger than wished, never twice as many as needed, and make a chunk of about the rows wished', () => {
    const sizes = fc.tuple(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 2_000 }));
    fc.assert(
      fc.property(sizes, ([chunkRows, partRows]) => {
        const { cutRows, cutsPerChunk } = cutEvenly(chunkRows, partRows);

        expect(cutRows).toBeLessThanOrEqual(partRows);
        expect(cutsPerChunk).toBeLessThan(2 * Math.ceil(chunkRows / partRows));
        expect(cutRows * cutsPerChunk).toBeGreaterThanOrEqual(chunkRows);
        expect(cutRows * cutsPerChunk).toBeLessThan(chunkRows + cutsPerChunk);
      }),
    );
  });
});

describe('a span', () => {
  const span: ChunkSpan = {
    after: '[0]',
    bounds: ['[10]', '[20]'],
    through: null,
    cuts: [['[3]', '[6]'], [], ['[25]']],
  };

  it('is chunks that follow each other', () => {
    expect(chunksOf(span)).toEqual([
      { after: '[0]', through: '[10]' },
      { after: '[10]', through: '[20]' },
      { after: '[20]', through: null },
    ]);
  });

  it('is parts that follow each other, each of its chunk', () => {
    expect(partsOf(span)).toEqual([
      { after: '[0]', through: '[3]', chunk: 0 },
      { after: '[3]', through: '[6]', chunk: 0 },
      { after: '[6]', through: '[10]', chunk: 0 },
      { after: '[10]', through: '[20]', chunk: 1 },
      { after: '[20]', through: '[25]', chunk: 2 },
      { after: '[25]', through: null, chunk: 2 },
    ]);
  });

  it('without cuts has its chunks as parts', () => {
    const whole: ChunkSpan = { after: null, bounds: ['[1]'], through: null };

    expect(partsOf(whole)).toEqual(chunksOf(whole).map((range, chunk) => ({ ...range, chunk })));
  });
});
