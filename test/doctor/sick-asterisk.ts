import type { AsteriskConf } from '../../src/doctor/asterisk-conf.ts';
import type { AsteriskView } from '../../src/doctor/asterisk-view.ts';

/** What Asterisk 22 prints when everything is as it should be. */
const healthyCommands: Readonly<Record<string, string>> = {
  'manager show settings': `
Global Settings:
----------------
Manager (AMI):             Yes
Web Manager (AMI/HTTP):    No
TCP Bindaddress:           127.0.0.1:5038
HTTP Timeout (seconds):    60
TLS Enable:                No
Timestamp events:          Yes
Channel vars:
`,
  'manager show user ringledger-events': `
username: ringledger-events
secret: <Set>
ACL: yes
read perm: call,cdr,dialplan
write perm: <none>
displayconnects: no
Variables:
ACL: (unnamed)
---------------------------------------------
0:  deny - 0.0.0.0/0.0.0.0
1: allow - 127.0.0.1/255.255.255.255
`,
  'cel show status': `CEL Logging: Enabled
CEL Tracking Event: ALL
CEL Tracking Application: pickup
CEL Tracking Application: queue
CEL Tracking Application: confbridge
CEL Tracking Application: mixmonitor
CEL Tracking Application: parkedcall
CEL Tracking Application: voicemail
CEL Tracking Application: dial
CEL Tracking Application: park
CEL Event Subscriber: CEL Custom CSV Logging
CEL Event Subscriber: Manager Event Logging
`,
  'cdr show status': `
Call Detail Record (CDR) settings
----------------------------------
Logging:                    Enabled
Mode:                       Simple

* Registered Backends
-------------------
cdr_manager
csv

`,
  'core show version': 'Asterisk 22.5.0 built by root @ pbx on a x86_64 running Linux on 2025-07-18 09:00:00 UTC\n',
  'core show channels count': '0 active channels\n0 active calls\n0 calls processed\n',
  'pjsip show endpoints': `
Endpoint:  <Endpoint/CID.....................................>  <State.....>  <Channels.>
==========================================================================================

Endpoint:  101/101                                              Not in use    0 of 2
Aor:  101                                                1
Endpoint:  102/102                                              Not in use    0 of 2
Endpoint:  provider                                             Not in use    0 of inf
Match: 127.0.0.1/32

Objects found: 3
`,
};
const healthyConf: Readonly<Record<string, AsteriskConf>> = {
  'manager.conf': new Map([['ringledger-events', [['writetimeout', '5000']]]]),
  'cel_custom.conf': new Map([
    [
      'mappings',
      [
        [
          'Master.csv',
          '${eventtype},${eventtime},${CHANNEL(channame)},${CHANNEL(uniqueid)},${CHANNEL(linkedid)},${eventextra}',
        ],
      ],
    ],
  ]),
  'cdr_manager.conf': new Map([
    ['general', [['enabled', 'yes']]],
    ['mappings', [['linkedid', 'LinkedID']]],
  ]),
  'cdr.conf': new Map([
    [
      'csv',
      [
        ['loguniqueid', 'yes'],
        ['newcdrcolumns', 'yes'],
      ],
    ],
  ]),
};

export interface Sickness {
  /** Command → what it prints instead; null: it fails. */
  readonly commands?: Readonly<Record<string, string | null>>;
  /** File → its sections instead; null: there is none; an Error: it may not be read. */
  readonly conf?: Readonly<Record<string, AsteriskConf | null | Error>>;
  readonly time?: string;
}

export function viewOf({ commands = {}, conf = {}, time }: Sickness = {}): AsteriskView & { close(): Promise<void> } {
  return {
    async command(text) {
      const output = text in commands ? commands[text] : healthyCommands[text];
      if (output === undefined || output === null) throw new Error(`No such command '${text}'`);
      return output;
    },
    variable: async () => time ?? `${Math.floor(Date.now() / 1000)} +0000`,
    async conf(name) {
      const file = name in conf ? conf[name]! : (healthyConf[name] ?? null);
      if (file instanceof Error) throw file;
      return file;
    },
    close: async () => {},
  };
}
export const healthy = { commands: healthyCommands, conf: healthyConf };
