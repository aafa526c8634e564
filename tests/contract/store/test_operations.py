"""Each operation changes what this table says of it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from bot.domain.errors import BotError
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store.changes import Rows, changes, put_back, read_all, wrapped
from tests.contract.store.operations import OPERATIONS, Given, arrange

# Operations, by two processes in turn, and what the last of them changes in the requests of `arrange`. An
# arrow names the error that it raises, or says that it returns False.
CHANGES = """
accept a request
accept an interaction
    answer of new00: new
    audit request by the person: new run_key=new00
    request new00: new channel_id=378 lease_owner=accept lease_until=60s requester_roles=[1]
    run new00: new queue_tag=19 reserved_seconds=20.0 charged_on=+0d
    usage of the person +0d: runs+1 seconds+20 weighted_seconds+20
block; accept a request
    -> RefusedError blocked
    audit refusal by the person: new outcome=blocked
pause; accept a request
    -> RefusedForNow paused
    audit refusal by the person: new outcome=paused
damage the rules; accept a request
    -> RefusedForNow rules_unreadable
    audit refusal by the person: new outcome=rules_unreadable
accept a press
    answer of new00: new
    audit request by the person: new run_key=new00
    request new00: new channel_id=378 press=again lease_owner=accept lease_until=60s requester_roles=[1]
    run new00: new queue_tag=19 reserved_seconds=20.0 charged_on=+0d
    usage of the person +0d: runs+1 seconds+20 weighted_seconds+20
accept publicly for review
    -> RefusedError rules_changed
    audit refusal by the person: new outcome=rules_changed
accept for review
    answer of new00: new
    audit request by the person: new run_key=new00
    request new00: new channel_id=378 lease_owner=accept lease_until=60s review_channel_id=9
    review of new00: new channel_id=9
    run new00: new state=awaiting_approval reserved_seconds=20.0 due_at=86400s
claim a run
requeue; claim a run
    queue flux: virtual_time+1
    run waiting0: state=submitting submitted_at=0s charged_on=+0d due_at=120s
    usage of the bot +0d: seconds+20
    usage of the person +0d: runs+1 seconds+20 weighted_seconds+20
    usage of the person -1d: runs-1 seconds-20 weighted_seconds-20
hold runs of two servers; claim a run
    queue flux: virtual_time+2
    run batch0: state=submitting submitted_at=0s due_at=120s
    usage of the bot +0d: seconds+20
reserve flux for a role; claim a run
    answer of batch0: wanted_rev+2
    answer of waiting0: wanted_rev+1
    audit outcome: new run_key=batch0 outcome=refused details={'runs': 2, 'results': '0 of 2'}
    audit outcome: new run_key=waiting0 outcome=refused
    outcome of batch0: new channel_id=514
    outcome of waiting0: new channel_id=755
    run batch0, run batch1, run waiting0: state=refused queue_tag=0 ended_at=0s
        failure_code=deployment_role_none due_at=None
    usage of the person +0d: runs-2 seconds-40 weighted_seconds-40
    usage of the person -1d: runs-1 seconds-20 weighted_seconds-20
damage the rules; claim a run
    answer of batch0: wanted_rev+2
    answer of waiting0: wanted_rev+1
    run batch0, run batch1, run waiting0: waiting_code=rules_unreadable waiting_params={} due_at=3600s
hold runs of two servers
    answer of waiting0, answer of wan0: wanted_rev+1
    run waiting0, run wan0: waiting_code=budget_runs waiting_params={} due_at=3600s
requeue and claim again
claim a run; requeue and claim again
    answer of submitting0: wanted_rev+1
requeue
    answer of submitting0: wanted_rev+1
    run submitting0: state=waiting submitted_at=None waiting_code=waits_for_backend
        waiting_params={'until': 1777897845} due_at=30s
    usage of the bot +0d: seconds-20
cancel a run without id; requeue
    answer of submitting0: wanted_rev+2
    audit outcome: new run_key=submitting0 outcome=cancelled
    outcome of submitting0: new channel_id=1094
    run submitting0: state=cancelled queue_tag=0 submitted_at=None ended_at=0s
        failure_code=cancelled_by_moderator waiting_code=waits_for_backend waiting_params={'until':
        1777897845} due_at=None
    usage of the bot +0d: seconds-20
    usage of the person +0d: runs-1 seconds-20 weighted_seconds-20
block; requeue
    answer of submitting0: wanted_rev+2
    audit outcome: new run_key=submitting0 outcome=requester_blocked
    outcome of submitting0: new channel_id=1094
    run submitting0: state=refused queue_tag=0 submitted_at=None ended_at=0s
        failure_code=requester_blocked failure_params={'until': 0} waiting_code=waits_for_backend
        waiting_params={'until': 1777897845} due_at=None
    usage of the bot +0d: seconds-20
    usage of the person +0d: runs-1 seconds-20 weighted_seconds-20
expire what waits
    answer of batch0: wanted_rev+2
    answer of waiting0, answer of wan0: wanted_rev+1
    audit outcome: new at=604800s guild_id=5 subject_id=7 run_key=wan0 deployment=wan outcome=refused
    audit outcome: new at=604800s run_key=batch0 outcome=refused details={'runs': 2, 'results': '0 of 2'}
    audit outcome: new at=604800s run_key=waiting0 outcome=refused
    outcome of batch0: new due_at=604800s channel_id=514
    outcome of waiting0: new due_at=604800s channel_id=755
    outcome of wan0: new due_at=604800s channel_id=326
    run batch0, run batch1, run waiting0, run wan0: state=refused queue_tag=0 ended_at=604800s
        failure_code=waited_too_long due_at=None
    usage of 7 +0d: runs-1 seconds-60 weighted_seconds-60
    usage of the person +0d: runs-2 seconds-40 weighted_seconds-40
    usage of the person -1d: runs-1 seconds-20 weighted_seconds-20
confirm a claim
    run submitting0: due_at=30s
number the queues
pause; number the queues
    answer of batch0, answer of waiting0, answer of wan0: wanted_rev+1
    run batch0: queue_position=2
    run batch1: queue_position=3
    run waiting0, run wan0: queue_position=1
hold a queue; number the queues
    answer of batch0, answer of waiting0: wanted_rev+1
    queue flux: waits_for=None waits_params=None
hold runs of two servers; number the queues
    answer of batch0: wanted_rev+1
    run batch0: queue_position=1
    run batch1: queue_position=2
hold runs of two servers; change the rules; number the queues
    answer of batch0, answer of waiting0: wanted_rev+1
    run batch0: queue_position=2
    run batch1: queue_position=3
    run waiting0: queue_position=1 waiting_code=None waiting_params=None
hold a queue
    answer of batch0, answer of waiting0, answer of wan0: wanted_rev+1
    queue flux, queue wan: waits_for=reason 0 waits_params={}
pause
    answer of batch0, answer of waiting0, answer of wan0: wanted_rev+1
    audit pause by a moderator: new details={'reason': 'reason 0'}
    key_value pause: new value=reason 0
    queue flux, queue wan: waits_for=paused waits_params={'reason': 'reason 0'}
pause; pause
    answer of batch0, answer of waiting0, answer of wan0: wanted_rev+2
    audit pause by a moderator: new details={'reason': 'reason 1'}
    key_value pause: value=reason 1
    queue flux, queue wan: waits_params={'reason': 'reason 1'}
pause; pause; resume
    answer of batch0, answer of waiting0, answer of wan0: wanted_rev+1
    audit resume by a moderator: new details={'reason': 'reason 1'}
    key_value pause: gone
    queue flux, queue wan: waits_for=None waits_params=None
poll due runs
    run cancelled0, run checked0, run done0, run done1, run held0, run late0, run late1, run offered0, run
        old0, run posting0, run running0, run running1, run single0, run submitting0: due_at=3720s
        checks+1
poll requests in review
    run review0: due_at=86520s checks+1
poll everything
    run checked0, run done0, run done1, run held0, run late0, run late1, run offered0, run posting0, run
        running0, run running1, run single0: due_at=1s
poll due runs; poll everything
    run cancelled0, run checked0, run done0, run done1, run held0, run late0, run late1, run offered0, run
        old0, run posting0, run running0, run running1, run single0: due_at=1s checks-1
poll due runs; stop polling
    run cancelled0: due_at=None
a first report
    answer of submitting0: wanted_rev+1
    run submitting0: state=queued run_id=run-submitting0 due_at=30s
requeue; a first report
requeue; a first report without a status
    answer of submitting0: wanted_rev+1
    run submitting0: state=queued run_id=run-submitting0 submitted_at=0s
    usage of the bot +0d: seconds+20
cancel a run without id; a first report
    answer of submitting0: wanted_rev+1
    run submitting0: state=queued run_id=run-submitting0 due_at=0s
a first failure; a first report
    answer of submitting0: wanted_rev+1
    run submitting0: state=queued
a first report without a status
    run submitting0: run_id=run-submitting0 due_at=30s
a first success
    answer of submitting0: wanted_rev+1
    audit outcome: new run_key=submitting0 outcome=succeeded
    outcome of submitting0: new channel_id=1094
    run submitting0: state=succeeded run_id=run-submitting0 outputs=['submitting0.png'] run_duration=20.0
        ended_at=0s due_at=5s
a first failure; no answer; a first success
    answer of submitting0, outcome of submitting0: wanted_rev+1
    audit outcome: outcome=succeeded
    run submitting0: state=succeeded outputs=['submitting0.png'] run_duration=20.0 failure_code=None
no answer
    answer of submitting0: wanted_rev+1
    audit outcome: new run_key=submitting0 outcome=unconfirmed
    outcome of submitting0: new channel_id=1094
    run submitting0: state=unconfirmed ended_at=0s failure_code=comfy_timeout due_at=None
a first failure; no answer
    answer of submitting0: wanted_rev+1
    audit outcome: new run_key=submitting0 outcome=unconfirmed
    outcome of submitting0: new channel_id=1094
    run submitting0: state=unconfirmed ended_at=0s failure_code=comfy_timeout due_at=5s
a first failure
    run submitting0: run_id=run-submitting0 failure_code=run_failed due_at=3s
a webhook about a failure
    run single0: failure_code=run_failed due_at=0s
a failure
    answer of single0: wanted_rev+1
    audit outcome: new run_key=single0 outcome=failed
    outcome of single0: new channel_id=642
    run single0: state=failed gpu_used=H100 run_duration=9.0 ended_at=0s failure_code=run_failed
        weight=2.0 due_at=5s
    usage of the bot +0d: seconds-11
    usage of the person +0d: runs-1 seconds-11 weighted_seconds-2 failures+1
a failure with outputs
    answer of single0: wanted_rev+1
    audit outcome: new run_key=single0 outcome=partial
    outcome of single0: new channel_id=642
    run single0: state=failed outputs=['part.png'] ended_at=0s failure_code=run_failed partial=True
        due_at=None
a failure; a failure with outputs
    answer of single0, outcome of single0: wanted_rev+1
    audit outcome: outcome=partial
    run single0: outputs=['part.png'] partial=True
    usage of the person +0d: runs+1 failures-1
a success
damage the rules; a success
    answer of single0: wanted_rev+1
    audit outcome: new run_key=single0 outcome=succeeded
    outcome of single0: new channel_id=642
    run single0: state=succeeded outputs=['single0.png'] run_duration=20.0 ended_at=0s due_at=5s
a failure; a success
    answer of single0, outcome of single0: wanted_rev+1
    audit outcome: outcome=partial
    run single0: outputs=['single0.png'] run_duration=20.0 partial=True
    usage of the bot +0d: seconds+11
    usage of the person +0d: runs+1 seconds+11 weighted_seconds+22 failures-1
a deadline; a success
    answer of single0, outcome of single0: wanted_rev+1
    audit outcome: outcome=succeeded
    run single0: state=succeeded outputs=['single0.png'] run_duration=20.0 failure_code=None
a success without outputs
    answer of single0: wanted_rev+1
    run single0: state=uploading due_at=0s
a deadline
    answer of single0: wanted_rev+1
    audit outcome: new run_key=single0 outcome=timed_out
    outcome of single0: new channel_id=642
    run single0: state=timed_out ended_at=0s failure_code=deadline due_at=5s
cancel the only run
    answer of single0: wanted_rev+1
    audit cancel by a moderator: new run_key=single0
    run single0: cancel_requested_at=0s cancelled_by=a moderator due_at=0s
a late success
    answer of late0: wanted_rev+1
    audit outcome: details={'runs': 2, 'results': '2 of 2'}
    late of late0 1: new channel_id=422
    run late1: state=succeeded outputs=['late1.png'] run_duration=20.0 failure_code=None
    usage of the bot +0d: seconds-40
    usage of the person +0d: seconds-40 weighted_seconds-40
a late report
erase a person; success of a lost run
    run lost0: run_id=run-lost0 due_at=30s
a late failure
    run lost0: run_id=run-lost0 due_at=0s
a late report; a late failure
    run lost0: due_at=0s
a late failure is confirmed
a late report; a late failure; a late failure is confirmed
    run lost0: due_at=5s
success of a lost run
    answer of lost0, outcome of lost0: wanted_rev+1
    audit outcome: outcome=succeeded
    run lost0: state=succeeded run_id=run-lost0 outputs=['lost0.png'] run_duration=20.0 failure_code=None
        due_at=5s
    usage of the bot +0d: seconds-40
    usage of the person +0d: seconds-40 weighted_seconds-40
one run succeeds
    answer of running0: wanted_rev+1
    run running0: state=succeeded outputs=['running0.png'] run_duration=20.0 ended_at=0s due_at=5s
the other run succeeds
    answer of running0: wanted_rev+1
    run running1: state=succeeded outputs=['running1.png'] run_duration=20.0 ended_at=0s due_at=5s
the other run fails
    answer of running0: wanted_rev+1
    run running1: state=failed run_duration=9.0 ended_at=0s failure_code=run_failed due_at=5s
    usage of the bot +0d: seconds-11
    usage of the person +0d: runs-1 seconds-11 weighted_seconds-11 failures+1
one run succeeds; the other run fails
    answer of running0: wanted_rev+1
    audit outcome: new run_key=running0 outcome=succeeded details={'runs': 2, 'results': '1 of 2'}
    outcome of running0: new channel_id=769
    run running1: state=failed run_duration=9.0 ended_at=0s failure_code=run_failed due_at=5s
    usage of the bot +0d: seconds-11
    usage of the person +0d: runs-1 seconds-11 weighted_seconds-11 failures+1
a run times out
    answer of running0: wanted_rev+1
    run running0: state=timed_out ended_at=0s failure_code=deadline due_at=5s
note a deadline; a run times out
    answer of running0: wanted_rev+1
    run running0: state=timed_out ended_at=0s due_at=5s
progress
    answer of cancelled0, answer of running0: wanted_rev+1
    run cancelled0, run running0, run running1: progress=0.5
note a deadline
    run running0: failure_code=deadline
a cancelled run ends
    answer of cancelled0: wanted_rev+1
    audit outcome: new run_key=cancelled0 outcome=cancelled
    outcome of cancelled0: new channel_id=923
    run cancelled0: state=cancelled ended_at=0s failure_code=cancelled_by_requester due_at=5s
a cancelled run succeeds
    answer of cancelled0: wanted_rev+1
    audit outcome: new run_key=cancelled0 outcome=succeeded
    outcome of cancelled0: new channel_id=923
    run cancelled0: state=succeeded outputs=['cancelled0.png'] run_duration=20.0 ended_at=0s due_at=5s
settle a run
    run done0: gpu_used=H100 run_duration=7.0 weight=2.0 due_at=None
    usage of the bot +0d: seconds-13
    usage of the person +0d: seconds-13 weighted_seconds-6
cancel a waiting run
    answer of waiting0: wanted_rev+1
    audit cancel by a moderator: new run_key=waiting0
    audit outcome: new run_key=waiting0 outcome=cancelled
    outcome of waiting0: new channel_id=755
    run waiting0: state=cancelled queue_tag=0 ended_at=0s cancel_requested_at=0s cancelled_by=a moderator
        failure_code=cancelled_by_moderator due_at=None
    usage of the person -1d: runs-1 seconds-20 weighted_seconds-20
cancel a batch
    answer of batch0: wanted_rev+2
    audit cancel by a moderator: new run_key=batch0 details={'runs': 2}
    audit outcome: new run_key=batch0 outcome=cancelled details={'runs': 2, 'results': '0 of 2'}
    outcome of batch0: new channel_id=514
    run batch0, run batch1: state=cancelled queue_tag=0 ended_at=0s cancel_requested_at=0s cancelled_by=a
        moderator failure_code=cancelled_by_moderator due_at=None
    usage of the person +0d: runs-2 seconds-40 weighted_seconds-40
cancel a running batch
    answer of running0: wanted_rev+2
    audit cancel by a moderator: new run_key=running0 details={'runs': 2}
    run running0, run running1: cancel_requested_at=0s cancelled_by=a moderator due_at=0s
one run succeeds; cancel a running batch
    answer of running0: wanted_rev+1
    audit cancel by another: new at=1s run_key=running0
    run running1: cancel_requested_at=1s cancelled_by=another due_at=1s
cancel a run without id
    answer of submitting0: wanted_rev+1
    audit cancel by a moderator: new run_key=submitting0
    run submitting0: cancel_requested_at=0s cancelled_by=a moderator
cancel a request in review
    answer of review0, review of review0: wanted_rev+1
    audit cancel by a moderator: new run_key=review0
    audit outcome: new run_key=review0 outcome=cancelled
    outcome of review0: new channel_id=658
    run review0: state=cancelled ended_at=0s cancel_requested_at=0s cancelled_by=a moderator
        failure_code=cancelled_by_moderator due_at=None
withdraw a cancellation
    answer of cancelled0: wanted_rev+1
    request cancelled0: status_note=not_cancellable
    run cancelled0: cancel_requested_at=None cancelled_by=None
approve
    answer of review0, review of review0: wanted_rev+1
    audit approve by a moderator: new run_key=review0
    request review0: decided_by=a moderator decided_at=0s
    run review0: state=waiting queue_tag=19 charged_on=+0d due_at=0s
    usage of the person +0d: runs+1 seconds+20 weighted_seconds+20
reserve flux for a role; approve
    answer of review0, review of review0: wanted_rev+1
    audit outcome: new run_key=review0 outcome=refused
    outcome of review0: new channel_id=658
    run review0: state=refused ended_at=0s failure_code=deployment_role_none due_at=None
reject
    answer of review0, review of review0: wanted_rev+1
    audit outcome: new run_key=review0 outcome=rejected
    audit reject by a moderator: new run_key=review0 details={'reason': 'no'}
    outcome of review0: new channel_id=658
    request review0: decided_by=a moderator decided_at=0s
    run review0: state=rejected ended_at=0s failure_code=rejected failure_params={'reason': 'no'}
        due_at=None
a review expires
    answer of review0, review of review0: wanted_rev+1
    audit expire: new run_key=review0 outcome=expired
    outcome of review0: new channel_id=658
    run review0: state=expired ended_at=0s failure_code=expired due_at=None
delete one result
    audit delete by a moderator: new run_key=done0
    outcome of done0, report of done0, share of done0: wanted_rev+1
    run done0: deleted_at=0s deleted_by=a moderator
delete a batch
    audit delete by a moderator: new run_key=done0 details={'runs': 2}
    outcome of done0, report of done0: wanted_rev+2
    run done0, run done1: deleted_at=0s deleted_by=a moderator
    share of done0: wanted_rev+1
delete a held result
    audit delete by a moderator: new run_key=held0
    outcome of held0, pictures of held0: wanted_rev+1
    run held0: deleted_at=0s deleted_by=a moderator held_until=None
delete a result while it is posted
    audit delete by a moderator: new run_key=posting0
    outcome of posting0: wanted_rev+1
    run posting0: deleted_at=0s deleted_by=a moderator
discard a message
    audit discard by a moderator: new run_key=posting0
report a result
    audit report by 6: new run_key=done0 details={'reason': 'rules'}
    report of done0: wanted_rev+1
dismiss a report; report a result
    audit report by 7: new run_key=done0 details={'reason': 'rules'}
    report of done0: wanted_rev+1 posted=[]
    run done0: report_channel_id=90
report another result
    audit report by 6: new run_key=done1 details={'reason': 'rules'}
    report of done0 1: new channel_id=90
    run done1: report_channel_id=90
dismiss a report
    audit dismiss by a moderator: new run_key=done0
    report of done0: wanted_rev+1
    run done0: report_channel_id=None
copy one result
    post of done0 1: new channel_id=422
share a result
    share of done0 1: new channel_id=9
delete a copy
    audit delete_copy by a moderator: new run_key=done0 details={'channel': '<#9>'}
    share of done0: wanted_rev+1 deleted_by=a moderator
post an offered result
    outcome of offered0: wanted_rev+1 stale=[77] channel_id=7 offered=False
    request offered0: channel_id=7 interaction_token=None interaction_expires_at=None
        status_message_id=None
delete an offered result
    audit delete by a moderator: new run_key=offered0
    outcome of offered0: wanted_rev+1
    run offered0: deleted_at=0s deleted_by=a moderator
hold pictures
    pictures of checked0: new channel_id=90
    run checked0: verdicts={'0': ['held', 'nudity']} held_until=30s
delete unchecked pictures
    audit delete by a moderator: new run_key=checked0
    outcome of checked0: wanted_rev+1
    run checked0: deleted_at=0s deleted_by=a moderator
show held pictures
    audit pictures by a moderator: new run_key=held0 details={'decision': 'posted', 'labels': 'nudity'}
    outcome of held0, pictures of held0: wanted_rev+1
    run held0: verdicts={'0': ['show', 'nudity']} held_until=None
held pictures expire
    audit pictures: new run_key=held0 details={'decision': 'deleted, because nobody decided in time',
        'labels': 'nudity'}
    outcome of held0, pictures of held0: wanted_rev+1
    run held0: verdicts={'0': ['hidden', 'nudity']} held_until=None
show messages
    answer of cancelled0, answer of done0, answer of held0, answer of late0, answer of lost0, answer of
        offered0, answer of old0, review of review0, answer of running0, answer of single0: failures+10
    request cancelled0, request done0, request held0, request late0, request lost0, request offered0,
        request old0, request review0, request running0, request single0: lease_owner=messenger 0
        lease_until=30s
report a result; delete one result; show messages
    answer of cancelled0, outcome of done0, answer of held0, answer of late0, answer of lost0, answer of
        offered0, answer of old0, review of review0, answer of running0, answer of single0: failures+10
    request cancelled0, request done0, request held0, request late0, request lost0, request offered0,
        request old0, request review0, request running0, request single0: lease_owner=messenger 0
        lease_until=30s
show one message
    request review0: lease_owner=messenger lease_until=30s
    review of review0: failures+10
take over a lease
    answer of cancelled0, outcome of checked0, answer of done0, answer of held0, answer of late0, answer
        of lost0, answer of offered0, answer of old0, outcome of posting0, review of review0, answer of
        running0, answer of single0: failures+10
    request cancelled0, request checked0, request done0, request held0, request late0, request lost0,
        request offered0, request old0, request posting0, request review0, request running0, request
        single0: lease_owner=messenger 0 lease_until=180s
extend a lease
    request posting0: lease_until=120s
begin a post
    outcome of posting0: attempt=0
    request posting0: lease_until=120s
delete a result while it is posted; begin a post
    -> False
    request posting0: lease_until=120s
begin the next part
    outcome of posting0: posted=[51] attempt=None
    request posting0: lease_until=120s
store a post
    answer of posting0: shown_rev+2
    outcome of posting0: shown_rev+1 posted=[51] attempt=None failures-10 due_at=30s
    request posting0: interaction_token=None interaction_expires_at=None status_message_id=None
        lease_owner=None lease_until=None
take over a lease; store a post
    outcome of posting0: wanted_rev+1 stale=[50, 51]
delete a result while it is posted; store a post
fail to post
    outcome of posting0: posted=[51] attempt=None due_at=30s
    request posting0: lease_owner=None lease_until=None
store a post without the lease
    outcome of posting0: wanted_rev+1 stale=[50, 52]
fail to post; make messages due
    outcome of posting0: due_at=1s
release all leases
    request checked0, request posting0: lease_owner=None lease_until=None
accept a request; show the answer
    answer of new00: shown_rev+1
    request new00: status_message_id=78 lease_owner=None lease_until=None
block
    answer of batch0: wanted_rev+2
    answer of review0, review of review0, answer of waiting0: wanted_rev+1
    audit block by a moderator: new details={'until': 'somebody unblocks them', 'ended requests': 3}
    audit outcome: new run_key=batch0 outcome=requester_blocked details={'runs': 2, 'results': '0 of 2'}
    audit outcome: new run_key=review0 outcome=requester_blocked
    audit outcome: new run_key=waiting0 outcome=requester_blocked
    block the server the person: new created_by=a moderator
    outcome of batch0: new channel_id=514
    outcome of review0: new channel_id=658
    outcome of waiting0: new channel_id=755
    request review0: decided_by=a moderator decided_at=0s
    run batch0, run batch1, run waiting0: state=refused queue_tag=0 ended_at=0s
        failure_code=requester_blocked failure_params={'until': 0, 'quiet': True} due_at=None
    run review0: state=rejected ended_at=0s failure_code=requester_blocked failure_params={'until': 0,
        'others': 2} due_at=None
    usage of the person +0d: runs-2 seconds-40 weighted_seconds-40
    usage of the person -1d: runs-1 seconds-20 weighted_seconds-20
block again
    audit block by a moderator: new subject_id=bob details={'until': 'somebody unblocks them'}
unblock
    audit unblock by a moderator: new subject_id=bob
    block the server bob: gone
change the rules
    audit settings by a moderator: new details={'changes': [['Limits per member · Runs at once', 'no
        limit', '3'], ['Limits per member · Runs waiting', 'no limit', '10'], ['Limits per member · Runs
        per day', '17', 'no limit'], ['H100 (not offered) · A second counts as', '2', '1']]}
    server_rule the server: rules
hold runs of two servers; change the rules
    audit settings by another: new details={'changes': [['Audit log entries are kept for', '365 days',
        '366 days']]}
    run waiting0: due_at=0s
    server_rule the server: rules retention_days=366
damage the rules
reserve flux for a role
    server_rule the server: rules
erase a person
    channel_default 1: set_by=None
    outcome of offered0: offered=False
    preset ink of the person, preset oil of the person, usage of the person -60d, usage of the person -1d:
        gone
    preset ink of the server, preset oil of the server: created_by=None
    request done0, request late0, request lost0, request offered0, request old0: prompt=None
        interaction_token=None requester_roles=None
    run done0, run done1, run late0, run offered0, run old0: inputs={} seed=None outputs=[] erased_at=0s
    run late1, run lost0: inputs={} seed=None erased_at=0s
find what has expired
    key_value retention time: new value=2026-05-04T12:30:15.123456+00:00 2026-05-04T12:30:15.123456+00:00
    usage of the bot -60d, usage of the person -60d: gone
remove what has expired
    audit request by the person, audit request by 7, audit settings by the person, audit block by a
        moderator, request done0, request old0, answer of done0, outcome of done0, report of done0, share
        of done0, answer of old0, outcome of old0, run done0, run done1, run old0: gone
save a preset
delete a preset; save a preset
    audit settings by the person: new details={'changes': [['Preset ash', 'none', 'saved']]}
    preset ash of the server: new holder=s holder_id=the server name=ash folded=ash
replace a preset
    audit settings by the person: new details={'changes': [['Preset ink', 'saved', 'replaced']]}
    preset ink of the server: gone
    preset ink of the server: new holder=s holder_id=the server name=ink folded=ink gpu=GPU 0
delete a preset
set one's default; set a channel's default; delete a preset
    audit settings by a moderator: new details={'changes': [['Preset ink', 'saved', 'deleted']]}
    channel_default 1, preset ink of the server: gone
set a channel's default
    audit settings by a moderator: new details={'changes': [['Default preset', 'none', 'ink']], 'channel':
        '<#2>'}
    channel_default 2: new folded=ink set_by=a moderator
set a channel's default; set a channel's default
    audit settings by a moderator: new details={'changes': [['Default preset', 'ink', 'oil']], 'channel':
        '<#2>'}
    channel_default 2: folded=oil
delete a preset; set a channel's default
    audit settings by a moderator: new details={'changes': [['Default preset', 'none', 'oil']], 'channel':
        '<#2>'}
    channel_default 2: new folded=oil set_by=a moderator
remove a channel's default
    audit settings by a moderator: new details={'changes': [['Default preset', 'ink', 'none']], 'channel':
        '<#1>'}
    channel_default 1: gone
set one's default
    preset ink of the person: is_default=True
set one's default; set one's default
    preset ink of the person: is_default=False
    preset oil of the person: is_default=True
change a value
    -> 0
    key_value value: value=0+0
change a value; change a value
    -> 0+0
    key_value value: value=0+0+1
mark as done
    key_value done: new value=
claim the daily backup
    key_value next backup: new value=2026-05-04T13:30:15.123456+00:00
reserve a slot
    key_value slot: new value=2026-05-04T12:30:15.123456+00:00
reserve a slot; reserve a slot
    key_value slot: value=2026-05-04T12:30:16.123456+00:00
accept a press; accept a press
    -> PressedTwice pressed_twice
pause; claim a run
claim the daily backup; claim the daily backup
requeue; requeue
a first report; requeue
a first report without a status; requeue
requeue and claim again; requeue
number the queues; number the queues
stop polling
a failure; a failure
cancel the only run; cancel the only run
a late success; a late success
progress; progress
a cancelled run ends; withdraw a cancellation
damage the rules; approve
reject; approve; reject
report a result; report a result; report a result
make messages due
show the answer
erase a person; erase a person
save a preset; save a preset
store a value
    nothing
a first report; confirm a claim
a first report without a status; confirm a claim
cancel a run without id; confirm a claim
no answer; confirm a claim
pause; hold a queue
resume
a success; cancel the only run
post an offered result; post an offered result
delete an offered result; post an offered result
delete unchecked pictures; hold pictures
take over a lease; extend a lease
take over a lease; begin a post
take over a lease; begin the next part
unblock; unblock
delete a preset; delete a preset
remove a channel's default; remove a channel's default
mark as done; mark as done
    -> False
a report of another run
    -> ForeignRunReport internal
remove what has expired; settle a run
remove what has expired; delete one result
remove what has expired; report a result
remove what has expired; dismiss a report
remove what has expired; copy one result
    -> RunGone run_gone
approve; approve
block; approve
approve; reject
    -> RefusedError already_decided
cancel a request in review; approve
    -> RefusedError review_over
delete one result; delete one result
delete a copy; delete a copy
    -> RefusedError already_deleted
dismiss a report; dismiss a report
    -> RefusedError report_over
copy one result; copy one result
    -> RefusedError copy_pending
delete a batch; copy one result
    -> RefusedError copy_result_deleted
show unseen pictures
show held pictures; show held pictures
    -> RefusedError review_over
hold pictures; show unseen pictures
    -> RefusedError pictures_more
"""


def table() -> dict[str, str]:
    """Return the changes by the operations that make them."""
    found, names, is_named = dict[str, str](), list[str](), False
    for line in CHANGES.strip("\n").splitlines():
        if not line.startswith(" "):
            names = [*names, line] if is_named else [line]
        else:
            found |= {name: found.get(name, "") + f"{line}\n" for name in names}
        is_named = not line.startswith(" ")
    return found


async def done(store: Store, given: Given, shared: Rows, names: Sequence[str]) -> str:
    """Do these operations, and return what the last one changes."""
    await store.database.write(put_back, shared)
    for number, name in enumerate(names[:-1]):
        with suppress(BotError):
            await OPERATIONS[name].call(store, given, number % 2)
    before = await store.database.read(read_all) if names[1:] else shared
    try:
        result = await OPERATIONS[names[-1]].call(store, given, (len(names) - 1) % 2)
    except BotError as error:
        result = f"{type(error).__name__} {getattr(error, 'code', '')}".strip()
    told = [f"-> {result}"] if result is False or isinstance(result, str) else []
    lines = [*told, *changes(before, await store.database.read(read_all))]
    return wrapped(lines or ["nothing"])


async def test_each_operation_changes_what_the_table_says(stores: Stores) -> None:
    store, expected = await stores.open(rules=None), table()
    assert expected.keys() >= OPERATIONS.keys()
    given = await arrange(store)
    shared = await store.database.read(read_all)
    found = {names: await done(store, given, shared, names.split("; ")) for names in expected}
    assert found == expected
