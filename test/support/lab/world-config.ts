/**
 * The world outside the PBX: the four phones and the provider with all its subscribers, played by one Asterisk. What
 * each of them does is a script of dialplan steps (see script.ts) that stands in `scripts.conf` and is replaced at run
 * time.
 */
import type { InstanceSettings } from './asterisk.ts';
import {
  coreModules,
  extensions,
  indicationsConf,
  loggerConf,
  modulesConf,
  quietFiles,
  rtpConf,
} from './pbx-config.ts';

export interface WorldOptions {
  readonly pbxSipPort: number;
}

export function configureWorld(settings: InstanceSettings, options: WorldOptions): Record<string, string> {
  return {
    'modules.conf': modulesConf([...coreModules, ...holdModules]),
    'logger.conf': loggerConf,
    'manager.conf': `[general]
enabled = yes
bindaddr = 127.0.0.1
port = ${settings.ports.ami}
timestampevents = yes
displayconnects = no

[lab]
secret = ${settings.labSecret}
deny = 0.0.0.0/0.0.0.0
permit = 127.0.0.1/255.255.255.255
writetimeout = 5000
read = call,user,dtmf,system
write = all
`,
    'pjsip.conf': pjsipConf(settings, options),
    'rtp.conf': rtpConf,
    'features.conf': '[general]\n',
    'cdr.conf': '[general]\nenable = no\n',
    'cel.conf': '[general]\nenable = no\n',
    'indications.conf': indicationsConf,
    ...quietFiles,
    'websocket_client.conf': '',
    // Speech for whoever talks: the prompts of the sounds package, one after another.
    'musiconhold.conf': `[default]\nmode=files\ndirectory=${settings.place.dataFolder}/sounds/en\n`,
    'extensions.conf': `[general]
static=yes
writeprotect=no
clearglobalvars=no

[globals]

; Whoever is called without a script does not exist; the story fails.
[called]
exten => _X.,1,UserEvent(Unscripted,Party: \${EXTEN})
 same => n,Hangup(1)

#include scripts.conf
`,
    'scripts.conf': '; no scripts yet\n',
  };
}

/** Puts its caller on hold, as the hold key of a phone does. */
const holdModules = ['app_bridgewait'];

function pjsipConf({ place, ports }: InstanceSettings, { pbxSipPort }: WorldOptions): string {
  const endpoint = (name: string, lines: string) => `
[${name}]
type=endpoint
context=called
aors=pbx
disallow=all
allow=alaw,ulaw
direct_media=no
dtmf_mode=rfc4733
moh_passthrough=yes
send_pai=no
${lines}`;
  const phone = (extension: string) => `${endpoint(`as-${extension}`, `from_user=${extension}\n`)}
[reg-${extension}]
type=registration
server_uri=sip:127.0.0.1:${pbxSipPort}
client_uri=sip:${extension}@127.0.0.1:${pbxSipPort}
contact_user=${extension}
expiration=3600
retry_interval=1
forbidden_retry_interval=1
max_retries=10000
${place.majorVersion >= 18 ? 'max_random_initial_delay=0\n' : ''}`;
  return `[global]
type=global
user_agent=World

[udp]
type=transport
protocol=udp
bind=127.0.0.1:${ports.sip}

[udp-provider]
type=transport
protocol=udp
bind=127.0.0.1:${ports.trunk}

[pbx]
type=aor
contact=sip:127.0.0.1:${pbxSipPort}

[pbx]
type=identify
endpoint=pbx
match=127.0.0.1
${endpoint('pbx', '')}
${endpoint('as-provider', 'transport=udp-provider\n')}
${endpoint('as-anonymous', 'transport=udp-provider\nfrom_user=anonymous\nfrom_domain=anonymous.invalid\n')}
${extensions.map(phone).join('')}`;
}
