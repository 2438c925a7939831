import { z } from 'zod';
import { celColumnOf } from './csv/cel-row.ts';

const lineless = (text: string) => !/[\r\n\0]/.test(text);
const amiUser = z.strictObject({
  username: z.string().min(1).refine(lineless, 'must be one line'),
  secret: z.string().min(1).refine(lineless, 'must be one line').describe('As in manager.conf'),
});

const timeZone = z
  .string()
  .refine((zone) => {
    try {
      new Intl.DateTimeFormat('en', { timeZone: zone });
      return true;
    } catch {
      return false;
    }
  }, 'is not a time zone; write one such as Europe/Moscow or UTC')
  .nullable()
  .default(null)
  .describe(
    'Zone of the times in the file; null: the zone of the installation or GMT, whichever fits the uniqueids of the rows',
  );

const lookBackHours = z
  .number()
  .min(0)
  .nullable()
  .default(0)
  .describe('How many hours back to begin when the file is read for the first time; null: from its start');

const requiredCelColumns = ['eventtype', 'eventtime', 'channame', 'uniqueid', 'linkedid'];

/** One Asterisk: where it is and what is read of it. */
export const asteriskConfig = z.strictObject({
  name: z
    .string()
    .min(1)
    .describe('Name of this phone system in the ledger and in status; keep it once calls were recorded'),
  kind: z.literal('asterisk'),
  ami: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      port: z.int().min(1).max(65535).default(5038),
      events: amiUser.describe('User that follows calls: read = call,cdr,dialplan and write = reporting'),
      control: amiUser
        .nullable()
        .default(null)
        .describe(
          'User for click-to-call and the dialplan: write = originate,command,reporting,system,call,agent; null: neither is offered',
        ),
    })
    .nullable()
    .describe('null: calls are taken from the files alone, after they have ended'),
  cel: z
    .strictObject({
      file: z
        .string()
        .min(1)
        .default('/var/log/asterisk/cel-custom/Master.csv')
        .describe('The file that cel_custom.conf maps'),
      columns: z
        .array(z.string())
        .refine(
          (columns) => requiredCelColumns.every((column) => columns.map(celColumnOf).includes(column)),
          `must name at least ${requiredCelColumns.join(', ')}`,
        )
        .nullable()
        .default(null)
        .describe('Columns in their order in cel_custom.conf; null: told from the rows'),
      timeZone,
      lookBackHours,
    })
    .nullable()
    .default(null)
    .describe('Channel events: what happened while this service or AMI was down. null: not read'),
  cdr: z
    .strictObject({
      file: z.string().min(1).default('/var/log/asterisk/cdr-csv/Master.csv'),
      columns: z
        .array(z.string())
        .refine(
          (columns) =>
            ['channel', 'disposition'].every((column) => columns.includes(column)) &&
            [
              ['start', 'end'],
              ['calldate', 'duration', 'billsec'],
            ].some((times) => times.every((column) => columns.includes(column))),
          'must name channel, disposition, and start and end (or calldate, duration and billsec)',
        )
        .nullable()
        .default(null)
        .describe('Columns of the file; null: those of cdr_csv'),
      timeZone,
      lookBackHours,
    })
    .nullable()
    .default(null)
    .describe(
      'Call records: coarser than channel events, on every Asterisk. Needs loguniqueid and newcdrcolumns in cdr.conf. null: not read',
    ),
  deviceNames: z
    .array(z.string().includes('{extension}'))
    .default(['PJSIP/{extension}', 'SIP/{extension}'])
    .describe("Devices of an extension, for the employee's presence"),
  dndDevice: z
    .string()
    .includes('{extension}')
    .default('Custom:DND{extension}')
    .describe('Device that is in use while the extension is on do-not-disturb'),
});

export type AsteriskConfig = z.output<typeof asteriskConfig>;
