import type { CommandLoaders } from './context.ts';
import type { StartParts } from './start.ts';

/**
 * All commands, by their first word; the only list. Each is loaded when it is asked for: the service does not hold in memory
 * what only other commands need, and they need not wait for each other.
 */
export function createCommands(start: StartParts): CommandLoaders {
  return {
    start: async () => (await import('./start.ts')).createStartCommand(start),
    status: async () => (await import('./status.ts')).addStatusCommand,
    doctor: async () => {
      const [{ createDoctorCommand }, { doctorParts }] = await Promise.all([
        import('./doctor.ts'),
        import('./installation-parts.ts'),
      ]);
      return createDoctorCommand(doctorParts);
    },
    config: async () => (await import('./config.ts')).addConfigCommand,
    dialplan: async () => {
      const [{ dialplanCommands }, { dialplanParts }] = await Promise.all([
        import('./dialplan.ts'),
        import('./installation-parts.ts'),
      ]);
      return dialplanCommands(dialplanParts);
    },
    lookup: async () => (await import('./lookup.ts')).addLookupCommand,
    deliveries: async () => (await import('./deliveries.ts')).addDeliveriesCommand,
    contacts: async () => (await import('./contacts.ts')).addContactsCommand,
    crm: async () => (await import('./crm.ts')).addCrmCommand,
    hook: async () => (await import('./hooks.ts')).addHookCommand,
    record: async () => (await import('./record.ts')).createRecordCommand({ signals: start.signals }),
    replay: async () => (await import('./replay.ts')).addReplayCommand,
    rebuild: async () => (await import('./rebuild.ts')).addRebuildCommand,
  };
}
