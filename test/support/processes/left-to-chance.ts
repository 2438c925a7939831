/** Tests that fail with what they drew, for random-seed.test.ts. */
import fc from 'fast-check';
import { diceOfThisRun, samplesOfThisRun } from '../random-seed.ts';

const fail = (drawn: unknown) => {
  throw new Error(`drawn: ${JSON.stringify(drawn)}`);
};
it('dice', () => {
  const dice = diceOfThisRun();
  fail([dice(), dice()]);
});
it('dice again', () => fail(diceOfThisRun()()));
it('samples', () => fail(samplesOfThisRun(fc.nat(), 5)));
it('property', () => fc.assert(fc.property(fc.nat(), fc.nat(), (one, other) => one < other + 5)));
it('nothing of chance', () => fail(Object.keys(process.env).filter((name) => name.endsWith('TEST_SEED'))));
it('passes', () => void diceOfThisRun()());
