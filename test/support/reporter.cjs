// mocha's spec output, the tests that needed a second attempt, and one plain line at the end that any reader of logs understands.
const Mocha = require('mocha');

module.exports = class extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    // Real calls and real processes on a busy machine may miss a deadline once. That is tried again, and never hidden.
    const again = [];
    runner.on('retry', (test, error) => again.push(`${test.fullTitle()}: ${error.message.split('\n')[0]}`));
    process.once('exit', () => {
      const { passes, failures, pending } = this.stats;
      for (const line of again) console.log(`tried again: ${line}`);
      console.log(`${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ''}`);
    });
  }
};
