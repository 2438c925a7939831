/**
 * The PBX of the laboratory: what a company of four phones would have in /etc/asterisk, in its usual forms.
 *
 * DIDs that the hand-written dialplan knows (dialled from outside):
 *   7000001 rings 101 for 4 s                      7000002 rings 101, 102 and 103 for 4 s
 *   7000003 queue `sales`, as long as it takes     7000013 queue `sales` for 6 s, then an announcement and the end
 *   7000023 queue `desk` with Local members        7000033 queue `crowd` of 13 members for 6 s
 *   7000004 IVR: 1 rings 101, 2 is the queue        7000005 rings 101 for 2 s, then voicemail
 *   7000015 the same, with a greeting of some seconds
 *   7000006 rings 101 for 2 s, then 101's mobile   7000016 rings 102 for 8 s (for a phone that redirects)
 *   7000026 rings 101 and its mobile together       7000036 is forwarded to a mobile by the extension 101 itself
 *   7000020 follow-me of 101, who must press a key
 *   7000007 rings 101 for 2 s, then 102            7000008 conference 800
 *   7000009 nobody's: an announcement and the end
 * Phones dial 101–104, 600 (queue `sales`), 700 (park), 701–720 (retrieve), 800 (conference), 8500 (voicemail), *8 and
 * *8<extension> (pickup), and outside numbers of seven digits or more.
 */
import type { InstanceSettings } from './asterisk.ts';

export const extensions = ['101', '102', '103', '104'] as const;
/** Where the DTMF menu of a talking phone leads: blind and attended transfer, and leaving a consultation. */
export const featureCodes = { blindTransfer: '##', attendedTransfer: '*2', abortTransfer: '*1', park: '#72' } as const;
/** The mobile of the employee with extension 101, as the lab's dialplan forwards to it. */
export const mobileOf101 = '79167770101';

/** The columns of the CEL file, in order; they are those of `cel_custom.conf.sample`. */
export const celColumns = [
  'eventtype',
  'eventtime',
  'cidname',
  'cidnum',
  'cidani',
  'cidrdnis',
  'ciddnid',
  'exten',
  'context',
  'channame',
  'appname',
  'appdata',
  'amaflags',
  'accountcode',
  'uniqueid',
  'linkedid',
  'peer',
  'userfield',
  'userdeftype',
  'eventextra',
] as const;

/** The driver of phones and trunk: `chan_pjsip`, or the old `chan_sip` (only in Asterisk 16). */
export type PhoneTechnology = 'PJSIP' | 'SIP';

export interface PbxSecrets {
  /** Of the AMI user `ringledger-events`. */
  readonly events: string;
  /** Of the AMI user `ringledger-control`. */
  readonly control: string;
}
export interface PbxOptions {
  readonly secrets: PbxSecrets;
  readonly worldSipPort: number;
  /** Where the provider calls from and is called. */
  readonly worldTrunkPort: number;
  readonly technology: PhoneTechnology;
  /** Context that calls from the trunk enter. */
  readonly trunkContext: string;
  /** Context that calls from the phones enter. */
  readonly phonesContext: string;
  readonly phoneCodecs: string;
  /** Leaves out the hand-written click-to-call contexts, for generated ones of the same names. */
  readonly withoutClickToCallContexts: boolean;
  /** Further files for the configuration folder; they win over those made here. */
  readonly files: Readonly<Record<string, string>>;
}

export function configurePbx(settings: InstanceSettings, options: PbxOptions): Record<string, string> {
  const files: Record<string, string> = {
    'modules.conf': modulesConf(
      options.technology === 'SIP' ? [...pbxModules.filter(isNotPjsip), 'chan_sip'] : pbxModules,
    ),
    'logger.conf': loggerConf,
    'manager.conf': managerConf(settings, options.secrets),
    ...(options.technology === 'SIP'
      ? { 'sip.conf': sipConf(settings, options) }
      : { 'pjsip.conf': pjsipConf(settings, options) }),
    'rtp.conf': rtpConf,
    'features.conf': featuresConf,
    'res_parking.conf': parkingConf,
    'queues.conf': queuesConf,
    'voicemail.conf': voicemailConf,
    'confbridge.conf': confbridgeConf,
    'followme.conf': followmeConf,
    'musiconhold.conf': `[default]\nmode=files\ndirectory=${settings.place.dataFolder}/sounds/en\n`,
    'cdr.conf': cdrConf,
    'cdr_manager.conf': cdrManagerConf,
    'cel.conf': celConf,
    'cel_custom.conf': celCustomConf,
    'indications.conf': indicationsConf,
    ...quietFiles,
    'extensions.conf': extensionsConf(),
    ...(options.withoutClickToCallContexts ? {} : { 'extensions_click_to_call.conf': clickToCallContexts }),
  };
  if (options.technology === 'SIP') {
    for (const [name, text] of Object.entries(files)) files[name] = text.replaceAll('PJSIP/', 'SIP/');
  }
  return { ...files, ...options.files };
}

export const loggerConf = `[general]
dateformat=%F %T.%3q
[logfiles]
full => notice,warning,error,verbose(3)
`;

/** All instances may share it: Asterisk tries another port when one is taken. */
export const rtpConf = `[general]
rtpstart=20000
rtpend=31999
strictrtp=no
`;

export const indicationsConf = `[general]
country=us
[us]
description = United States
ringcadence = 2000,4000
dial = 350+440
busy = 480+620/500,0/500
ring = 440+480/2000,0/4000
congestion = 480+620/250,0/250
`;

/** Files that Asterisk complains about when they are absent. */
export const quietFiles: Readonly<Record<string, string>> = {
  'acl.conf': '',
  'ccss.conf': '[general]\n',
  'pjproject.conf': '',
  'udptl.conf': '[general]\n',
};

export function modulesConf(modules: readonly string[]): string {
  return `[modules]\nautoload=no\n${modules.map((name) => `load=${name}.so\n`).join('')}`;
}

const sipModules = [
  'res_pjproject',
  'res_sorcery_astdb',
  'res_sorcery_config',
  'res_sorcery_memory',
  'res_pjsip',
  'res_pjsip_session',
  'res_pjsip_acl',
  'res_pjsip_authenticator_digest',
  'res_pjsip_caller_id',
  'res_pjsip_diversion',
  'res_pjsip_dtmf_info',
  'res_pjsip_endpoint_identifier_anonymous',
  'res_pjsip_endpoint_identifier_ip',
  'res_pjsip_endpoint_identifier_user',
  'res_pjsip_header_funcs',
  'res_pjsip_nat',
  'res_pjsip_outbound_registration',
  'res_pjsip_outbound_authenticator_digest',
  'res_pjsip_path',
  'res_pjsip_pubsub',
  'res_pjsip_refer',
  'res_pjsip_registrar',
  'res_pjsip_rfc3326',
  'res_pjsip_sdp_rtp',
  'res_rtp_asterisk',
  'chan_pjsip',
  'func_pjsip_aor',
  'func_pjsip_contact',
  'func_pjsip_endpoint',
];
/** What any Asterisk needs that speaks SIP and plays a dialplan. */
export const coreModules = [
  ...sipModules,
  'res_timing_timerfd',
  'res_musiconhold',
  'bridge_builtin_features',
  'bridge_builtin_interval_features',
  'bridge_holding',
  'bridge_native_rtp',
  'bridge_simple',
  'bridge_softmix',
  'codec_alaw',
  'codec_gsm',
  'codec_resample',
  'codec_ulaw',
  'format_gsm',
  'format_pcm',
  'format_sln',
  'format_wav',
  'pbx_config',
  'app_cdr',
  'app_dial',
  'app_exec',
  'app_originate',
  'app_playback',
  'app_playtones',
  'app_read',
  'app_record',
  'app_senddtmf',
  'app_softhangup',
  'app_stack',
  'app_system',
  'app_transfer',
  'app_userevent',
  'app_verbose',
  'app_while',
  'func_callerid',
  'func_cdr',
  'func_channel',
  'func_cut',
  'func_db',
  'func_devstate',
  'func_dialplan',
  'func_env',
  'func_extstate',
  'func_global',
  'func_groupcount',
  'func_hangupcause',
  'func_logic',
  'func_math',
  'func_strings',
  'func_timeout',
  'func_uri',
];
const pbxModules = [
  ...coreModules,
  'app_bridgewait',
  'app_celgenuserevent',
  'app_chanspy',
  'app_confbridge',
  'app_controlplayback',
  'app_db',
  'app_directed_pickup',
  'app_echo',
  'app_followme',
  'app_forkcdr',
  'app_milliwatt',
  'app_mixmonitor',
  'app_page',
  'app_queue',
  'app_sayunixtime',
  'app_voicemail',
  'cdr_csv',
  'cdr_manager',
  'cel_custom',
  'cel_manager',
  'func_shell',
  'func_sprintf',
  'res_agi',
  'res_speech',
  'res_cdrel_custom',
  'res_manager_devicestate',
  'res_parking',
  'res_stasis',
];

/** CEL is read from its file; over AMI it would only double the traffic. */
const eventFilter = 'eventfilter = !Event: CEL\n';

const isNotPjsip = (name: string) => !/pjsip/.test(name);

function managerConf({ ports, labSecret }: InstanceSettings, secrets: PbxSecrets): string {
  const user = (name: string, secret: string, rights: string) => `
[${name}]
secret = ${secret}
deny = 0.0.0.0/0.0.0.0
permit = 127.0.0.1/255.255.255.255
writetimeout = 5000
${rights}`;
  return `[general]
enabled = yes
bindaddr = 127.0.0.1
port = ${ports.ami}
timestampevents = yes
displayconnects = no
${user('lab', labSecret, 'read = all\nwrite = all\n')}
${user('ringledger-events', secrets.events, `${eventFilter}read = call,cdr,dialplan,agent,user\nwrite = reporting\n`)}
${user('ringledger-control', secrets.control, 'read =\nwrite = originate,call,command,reporting,system,config,agent\n')}`;
}

const names: Record<string, string> = { '101': 'Anna', '102': 'Boris', '103': 'Vera', '104': 'Gleb' };

function pjsipConf({ ports }: InstanceSettings, options: PbxOptions): string {
  const phone = (extension: string) => `
[${extension}]
type=endpoint
context=${options.phonesContext}
aors=${extension}
callerid="${names[extension]}" <${extension}>
disallow=all
allow=${options.phoneCodecs}
direct_media=no
dtmf_mode=rfc4733
call_group=1
pickup_group=1
device_state_busy_at=2
mailboxes=${extension}@default
send_pai=yes
trust_id_inbound=no

[${extension}]
type=aor
max_contacts=1
remove_existing=yes
qualify_frequency=30
qualify_timeout=2.0
`;
  return `[global]
type=global
user_agent=PBX
endpoint_identifier_order=username,ip
unidentified_request_count=0

[udp]
type=transport
protocol=udp
bind=127.0.0.1:${ports.sip}
${extensions.map(phone).join('')}
[provider]
type=endpoint
context=${options.trunkContext}
aors=provider
disallow=all
allow=alaw,ulaw
direct_media=no
dtmf_mode=rfc4733
trust_id_inbound=yes
send_pai=yes
from_domain=127.0.0.1

[provider]
type=aor
contact=sip:127.0.0.1:${options.worldTrunkPort}

[provider]
type=identify
endpoint=provider
match=127.0.0.1
`;
}

function sipConf({ ports }: InstanceSettings, options: PbxOptions): string {
  const phone = (extension: string) => `
[${extension}]
type=friend
host=dynamic
context=${options.phonesContext}
callerid="${names[extension]}" <${extension}>
disallow=all
allow=${options.phoneCodecs}
callgroup=1
pickupgroup=1
mailbox=${extension}@default
qualify=yes
busylevel=2
`;
  return `[general]
context=${options.trunkContext}
udpbindaddr=127.0.0.1:${ports.sip}
allowguest=no
alwaysauthreject=no
callcounter=yes
directmedia=no
disallow=all
allow=alaw,ulaw
dtmfmode=rfc2833
notifyhold=yes
useragent=PBX
${extensions.map(phone).join('')}
[provider]
type=peer
host=127.0.0.1
port=${options.worldTrunkPort}
insecure=port,invite
context=${options.trunkContext}
qualify=no
`;
}

const featuresConf = `[general]
transferdigittimeout = 1
xfersound = beep
xferfailsound = beeperr
pickupexten = *8
featuredigittimeout = 1500
atxfernoanswertimeout = 3
atxferdropcall = no
atxfercallbackretries = 1
atxferloopdelay = 1
atxferabort = *1
atxfercomplete = *2
atxferthreeway = *3
atxferswap = *4

[featuremap]
blindxfer => ##
atxfer => *2
disconnect => *0
automixmon => *9
parkcall => #72
`;

const parkingConf = `[general]
[default]
parkext => 700
parkpos => 701-720
context => parkedcalls
parkingtime => 4
comebacktoorigin = yes
courtesytone = beep
`;

const queuesConf = `[general]
persistentmembers = no
autofill = yes
monitor-type = MixMonitor
log_membername_as_agent = no

[sales]
strategy = ringall
timeout = 2
retry = 1
ringinuse = no
member => PJSIP/101
member => PJSIP/102
member => PJSIP/103

[desk]
strategy = ringall
timeout = 2
retry = 1
ringinuse = no
member => Local/101@queue-members/n,0,Anna,PJSIP/101
member => Local/102@queue-members/n,0,Boris,PJSIP/102
member => Local/103@queue-members/n,0,Vera,PJSIP/103

[crowd]
strategy = ringall
timeout = 2
retry = 1
ringinuse = yes
${Array.from({ length: 13 }, (_, index) => `member => Local/${151 + index}@crowd-members/n\n`).join('')}`;

const voicemailConf = `[general]
format = wav
attach = no
maxsecs = 60
minsecs = 1
maxsilence = 0
skipms = 3000
[default]
${extensions.map((extension) => `${extension} => 1234,Phone ${extension}\n`).join('')}`;

const confbridgeConf = `[general]
[default_bridge]
type = bridge
[default_user]
type = user
quiet = yes
music_on_hold_when_empty = yes
`;

const followmeConf = `[general]
[101]
context=queue-members
number=>101,6
`;

const cdrConf = `[general]
enable = yes
unanswered = no
congestion = yes
batch = no
[csv]
usegmtime = yes
loguniqueid = yes
loguserfield = yes
accountlogs = no
newcdrcolumns = yes
`;

const cdrManagerConf = `[general]
enabled = yes
[mappings]
linkedid => LinkedID
sequence => Sequence
recordingfile => RecordingFile
`;

const celConf = `[general]
enable = yes
apps = dial,queue,voicemail,park,parkedcall,confbridge,pickup,answer,playback,background,mixmonitor
events = ALL
[manager]
enabled = yes
`;

const celValue: Record<(typeof celColumns)[number], string> = {
  eventtype: '${eventtype}',
  eventtime: '${eventtime}',
  cidname: '${CALLERID(name)}',
  cidnum: '${CALLERID(num)}',
  cidani: '${CALLERID(ANI)}',
  cidrdnis: '${CALLERID(RDNIS)}',
  ciddnid: '${CALLERID(DNID)}',
  exten: '${CHANNEL(exten)}',
  context: '${CHANNEL(context)}',
  channame: '${CHANNEL(channame)}',
  appname: '${CHANNEL(appname)}',
  appdata: '${CHANNEL(appdata)}',
  amaflags: '${CHANNEL(amaflags)}',
  accountcode: '${CHANNEL(accountcode)}',
  uniqueid: '${CHANNEL(uniqueid)}',
  linkedid: '${CHANNEL(linkedid)}',
  peer: '${BRIDGEPEER}',
  userfield: '${CHANNEL(userfield)}',
  userdeftype: '${userdeftype}',
  eventextra: '${eventextra}',
};
const celCustomConf = `[mappings]
Master.csv => ${celColumns.map((column) => `\${CSV_QUOTE(${celValue[column]})}`).join(',')}
`;

/** What a Dial does for both sides: transfer, park, hang up by code, record one-touch. */
const dialOptions = 'tTkKhHxX';

function extensionsConf(): string {
  return `[general]
static=yes
writeprotect=no

#tryinclude ringledger.d/*.conf
#tryinclude extensions_click_to_call.conf

; A call from outside: marks it and has it recorded while somebody talks.
[lab-inbound-start]
exten => s,1,Set(RL_DID=\${ARG1})
 same => n,Gosub(lab-record,s,1)
 same => n,Return()

[lab-record]
exten => s,1,Set(LAB_FILE=\${STRFTIME(,UTC,%Y/%m/%d)}/\${UNIQUEID}.wav)
 same => n,Set(RL_RECORDING=\${ASTSPOOLDIR}/monitor/\${LAB_FILE})
 same => n,Set(CDR(recordingfile)=\${LAB_FILE})
 same => n,MixMonitor(\${RL_RECORDING},b)
 same => n,Return()

; Run on the leg that is dialled on behalf of an employee.
[lab-mark-employee]
exten => s,1,Set(RL_EMPLOYEE=\${ARG1})
 same => n,Return()

[from-provider]
exten => 7000001,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Dial(PJSIP/101,4,${dialOptions})
 same => n,Hangup()
exten => 7000002,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Dial(PJSIP/101&PJSIP/102&PJSIP/103,4,${dialOptions})
 same => n,GotoIf($["\${DIALSTATUS}" = "BUSY"]?busy)
 same => n,Hangup()
 same => n(busy),Busy(1)
exten => 7000003,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Answer()
 same => n,Queue(sales,tTkKhHxX,,,60)
 same => n,Hangup()
exten => 7000013,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Answer()
 same => n,Queue(sales,tTkKhHxX,,,6)
 same => n,Playback(vm-goodbye)
 same => n,Hangup()
exten => 7000023,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Answer()
 same => n,Queue(desk,tTkKhHxX,,,60)
 same => n,Hangup()
exten => 7000033,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Answer()
 same => n,Queue(crowd,tTkKhHxX,,,6)
 same => n,Playback(vm-goodbye)
 same => n,Hangup()
exten => 7000004,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Goto(lab-ivr,s,1)
exten => 7000005,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Dial(PJSIP/101,2,${dialOptions})
 same => n,VoiceMail(101@default,s)
 same => n,Hangup()
exten => 7000015,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Dial(PJSIP/101,2,${dialOptions})
 same => n,VoiceMail(101@default,us)
 same => n,Hangup()
exten => 7000006,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Dial(PJSIP/101,2,${dialOptions})
 same => n,Dial(PJSIP/${mobileOf101}@provider,10,tTb(lab-mark-employee^s^1(101)))
 same => n,Hangup()
exten => 7000026,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Set(LAB_MOBILE=Local/${mobileOf101}@lab-mobiles/n)
 same => n,Dial(PJSIP/101&\${LAB_MOBILE},8,${dialOptions})
 same => n,Hangup()
exten => 7000036,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Dial(Local/101@lab-forwards/n,20,${dialOptions})
 same => n,Hangup()
exten => 7000020,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Answer()
 same => n,FollowMe(101)
 same => n,Hangup()
exten => 7000016,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Dial(PJSIP/102,8,${dialOptions})
 same => n,Hangup()
exten => 7000007,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Dial(PJSIP/101,2,${dialOptions})
 same => n,Dial(PJSIP/102,4,${dialOptions})
 same => n,Hangup()
exten => 7000008,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Answer()
 same => n,ConfBridge(800)
 same => n,Hangup()
exten => 7000009,1,Gosub(lab-inbound-start,s,1(\${EXTEN}))
 same => n,Answer()
 same => n,Playback(vm-goodbye)
 same => n,Hangup()

[lab-ivr]
exten => s,1,Answer()
 same => n,Background(vm-goodbye)
 same => n,WaitExten(3)
exten => 1,1,Dial(PJSIP/101,4,${dialOptions})
 same => n,Hangup()
exten => 2,1,Queue(sales,tTkKhHxX,,,60)
 same => n,Hangup()
exten => t,1,Hangup()
exten => i,1,Hangup()

; A mobile that rings together with its employee's phone.
[lab-mobiles]
exten => ${mobileOf101},1,Dial(PJSIP/\${EXTEN}@provider,20,b(lab-mark-employee^s^1(101)))
 same => n,Hangup()

; All calls of 101 go to its mobile.
[lab-forwards]
exten => 101,1,Dial(PJSIP/${mobileOf101}@provider,20)
 same => n,Hangup()

[queue-members]
exten => _10X,1,Dial(PJSIP/\${EXTEN},20)

[crowd-members]
exten => _1[56]X,1,Ringing()
 same => n,Wait(20)

[lab-phones]
include => parkedcalls
exten => _10X,1,Dial(PJSIP/\${EXTEN},4,${dialOptions})
 same => n,GotoIf($["\${DIALSTATUS}" = "BUSY"]?busy)
 same => n,Hangup()
 same => n(busy),Busy(1)
exten => 600,1,Answer()
 same => n,Queue(sales,tTkKhHxX,,,60)
 same => n,Hangup()
exten => 800,1,Answer()
 same => n,ConfBridge(800)
 same => n,Hangup()
exten => 8500,1,VoiceMailMain(\${CALLERID(num)}@default,s)
 same => n,Hangup()
exten => *8,1,Pickup()
 same => n,Hangup()
exten => _*810X,1,PickupChan(PJSIP/\${EXTEN:2})
 same => n,Hangup()
exten => _XXXXXXX.,1,Gosub(lab-record,s,1)
 same => n,Dial(PJSIP/\${EXTEN}@provider,10,${dialOptions})
 same => n,Hangup(\${HANGUPCAUSE})
exten => i,1,Hangup(1)

; Over a trunk that is not there.
[lab-trunk-gone]
exten => _X.,1,Dial(PJSIP/\${EXTEN}@gone,10)
 same => n,Hangup(\${HANGUPCAUSE})
`;
}

/** Minimal contexts for click-to-call; the generated dialplan brings its own of the same names. */
const clickToCallContexts = `
[ringledger-click-to-call]
exten => _10X,1,Dial(PJSIP/\${EXTEN},4)
 same => n,Hangup()

[ringledger-click-to-call-client]
exten => _X.,1,Gosub(lab-record,s,1)
 same => n,Dial(PJSIP/\${EXTEN}@provider,10,${dialOptions})
 same => n,Hangup(\${HANGUPCAUSE})
`;
