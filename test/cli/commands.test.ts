import assert from 'node:assert/strict';
import { Command } from 'commander';
import { createCommands } from '../../src/cli/commands.ts';
import { exitCodes, type AddCommand, type CliContext, type CommandLoaders } from '../../src/cli/context.ts';
import { runCommand } from './terminal.ts';

const start = {
  startService: () => Promise.reject(new Error('not in this test')),
  signals: process,
  exit: () => undefined,
};

describe('the commands', () => {
  it('are found under the words that they have', async () => {
    for (const [word, load] of Object.entries(createCommands(start))) {
      const program = new Command();
      (await load())(program, {} as CliContext);
      assert.deepEqual(
        program.commands.map((command) => command.name()),
        [word],
      );
    }
  });

  describe('loaded when asked for', () => {
    const loaded: string[] = [];
    const command =
      (word: string): AddCommand =>
      (program, context) => {
        program.command(word).action(() => context.print(`${word} ran`));
      };
    const commands: CommandLoaders = {
      one: async () => (loaded.push('one'), command('one')),
      two: async () => (loaded.push('two'), command('two')),
    };
    const run = (...words: string[]) => runCommand(words, { commands, cwd: '/' });
    beforeEach(() => loaded.splice(0));

    it('loads no other', async () => {
      assert.equal((await run('two')).out, 'two ran\n');
      assert.deepEqual(loaded, ['two']);
    });

    it('finds the command behind options of the program', async () => {
      assert.equal((await run('--config', 'one', 'two')).out, 'two ran\n');
      assert.deepEqual(loaded, ['two']);
    });

    it('names all of them in the help, and to who mistyped', async () => {
      assert.match((await run('--help')).out, /one[^]*two/);
      const mistyped = await run('twoo');
      assert.equal(mistyped.exitCode, exitCodes.usage);
      assert.match(mistyped.err, /Did you mean two\?/);
    });

    it('tells the version once, and what is wrong with an option', async () => {
      assert.equal((await run('--version')).out, '1.2.3\n');
      const faulty = await run('--config');
      assert.equal(faulty.exitCode, exitCodes.usage);
      assert.match(faulty.err, /argument missing/);
    });
  });
});
