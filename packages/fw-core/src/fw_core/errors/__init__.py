"""Everything that fw can refuse, in one tree, kept by when it is met.

A message is built by its class from typed facts, never written at the call site: what happened
with the value, why it matters, and one line to copy that mends it. Classes that stand for a wrong
argument also derive from the builtin that Python would raise: ``except TypeError`` keeps working.
"""

from fw_core.errors.attempts import (
    DeliveredTooOften,
    Expired,
    LaterTooOften,
    NoAttemptError,
    ReturnError,
    TimedOut,
    UnknownTaskMessage,
    UnreadableMessage,
    WorkerDied,
)
from fw_core.errors.calling import (
    CallError,
    ConditionError,
    MessageError,
    OptionError,
    PlanError,
    Problem,
    UnknownQueueError,
    UnknownTaskError,
    WorkflowError,
)
from fw_core.errors.commands import ReplayRunning, ReplayStopped, UnknownDeadLetter
from fw_core.errors.declaring import DeclarationError, DuplicateTaskError, PolicyError
from fw_core.errors.framework_error import FrameworkError
from fw_core.errors.near_names import nearest
from fw_core.errors.results import (
    BlockingInTask,
    JoinFailed,
    JoinSizeUnknown,
    NeverSent,
    ResultError,
    ResultIgnored,
    ResultStoreError,
    ResultTimeout,
    TaskFailed,
)
from fw_core.errors.sending import MaybeSent, NotSent, SendError
from fw_core.errors.starting import (
    BrokerUnreachable,
    MissingServerError,
    RulesError,
    SettingsError,
    TaskModuleError,
)
from fw_core.errors.workflows import (
    NothingToRetry,
    StartError,
    UnknownWorkflow,
    WorkflowCancelled,
)

__all__ = [
    "BlockingInTask",
    "BrokerUnreachable",
    "CallError",
    "ConditionError",
    "DeclarationError",
    "DeliveredTooOften",
    "DuplicateTaskError",
    "Expired",
    "FrameworkError",
    "JoinFailed",
    "JoinSizeUnknown",
    "LaterTooOften",
    "MaybeSent",
    "MessageError",
    "MissingServerError",
    "NeverSent",
    "NoAttemptError",
    "NotSent",
    "NothingToRetry",
    "OptionError",
    "PlanError",
    "PolicyError",
    "Problem",
    "ReplayRunning",
    "ReplayStopped",
    "ResultError",
    "ResultIgnored",
    "ResultStoreError",
    "ResultTimeout",
    "ReturnError",
    "RulesError",
    "SendError",
    "SettingsError",
    "StartError",
    "TaskFailed",
    "TaskModuleError",
    "TimedOut",
    "UnknownDeadLetter",
    "UnknownQueueError",
    "UnknownTaskError",
    "UnknownTaskMessage",
    "UnknownWorkflow",
    "UnreadableMessage",
    "WorkerDied",
    "WorkflowCancelled",
    "WorkflowError",
    "nearest",
]

for _name in __all__:
    # A traceback, a log and a pickle name an error by where it is imported from.
    if isinstance(_error := globals()[_name], type):
        _error.__module__ = __name__
