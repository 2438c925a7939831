import { stringify } from 'yaml';
import { configSchema, findConfigFile } from '../config.ts';
import { maskSecrets } from '../config/secrets.ts';
import { ConfigError } from '../config/fault.ts';
import { exitCodes, type AddCommand } from './context.ts';
import { z } from 'zod';

/** `config check | show | schema` */
export const addConfigCommand: AddCommand = (program, context) => {
  const config = program.command('config').description('look at the configuration');

  config
    .command('check')
    .description('tell every fault with file, line and column; exit code 2 when there is one')
    .option('--json', 'faults as JSON')
    .action(({ json }: { json?: boolean }) => {
      try {
        const { file, warnings } = context.loadConfig();
        if (json === true) context.printJson({ file, faults: [], warnings });
        else {
          for (const warning of warnings) context.print(`warning: ${warning}`);
          context.print(file === null ? 'No configuration file; everything is at its default.' : `${file} is right.`);
        }
      } catch (error) {
        if (!(error instanceof ConfigError) || json !== true) throw error;
        const file = findConfigFile({ file: context.configFile(), env: context.env, cwd: context.cwd });
        context.printJson({ file, faults: error.faults, warnings: [] });
        context.setExitCode(exitCodes.usage);
      }
    });

  config
    .command('show')
    .description('the whole configuration as it is in effect, secrets masked')
    .option('--json', 'as JSON instead of YAML')
    .action(({ json }: { json?: boolean }) => {
      const masked = maskSecrets(context.loadConfig().config);
      if (json === true) context.printJson(masked);
      else context.print(stringify(masked).trimEnd());
    });

  config
    .command('schema')
    .description('JSON Schema of the configuration file, for editors')
    .action(() => context.printJson(z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' })));
};
