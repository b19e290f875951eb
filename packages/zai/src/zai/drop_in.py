"""What programs for PyPI's zai-sdk rely on beside names: import paths, and constructors like pydantic's.

`import zai` imports this module, which registers the import paths for which there is no file. Programs that
only chat import them at their top. The resources of chat are the SDK's own. The types of other resources are
for annotations and tests: they declare no fields, and their objects have those that they are given.
"""

import sys
from collections.abc import Iterable, Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType, new_class
from typing import Any, Final

from headrace.wire.model import WireModel, accept_json_in_constructors
from zai.arguments import NOT_GIVEN, NotGiven
from zai.chat import Chat, Completions, CompletionTasks
from zai.streaming.stream import Stream
from zai.types import chat

__all__: list[str] = []

_CHAT: Final = {
    "NOT_GIVEN": NOT_GIVEN,
    "AsyncCompletion": chat.AsyncCompletion,
    "AsyncCompletions": CompletionTasks,  # zai-sdk's name of the tasks
    "AsyncTaskStatus": chat.AsyncTaskStatus,
    "Chat": Chat,
    "ChatCompletionChunk": chat.ChatCompletionChunk,
    "Completion": chat.Completion,
    "Completions": Completions,
    "NotGiven": NotGiven,
    "StreamResponse": Stream,
}

_CODE_GEEX: Final = {
    "CodeGeexContext": chat.CodeGeexContext,
    "CodeGeexExtra": chat.CodeGeexExtra,
    "CodeGeexTarget": chat.CodeGeexTarget,
}

# The resources of zai-sdk that are out of scope: the modules of their types, and the classes in them.
_TYPES: Final = {
    "agents": (
        "agents_completion agents_completion_chunk chat_completions_create_param"
        " AgentsChoice AgentsChoiceDelta AgentsCompletion AgentsCompletionChoice AgentsCompletionChunk"
        " AgentsCompletionChunkUsage AgentsCompletionMessage AgentsCompletionUsage AgentsError Reference"
    ),
    "assistant": (
        "assistant_completion assistant_conversation_params assistant_conversation_resp"
        " assistant_create_params assistant_support_resp message message.message_content"
        " message.text_content_block message.tools message.tools_delta_block"
        " AssistantAttachments AssistantChoice AssistantCompletion AssistantParameters AssistantSupport"
        " AssistantSupportResp CompletionUsage ConversationMessage ConversationParameters ConversationUsage"
        " ConversationUsageList ConversationUsageListResp ErrorInfo ExtraParameters MessageContent"
        " MessageTextContent TextContentBlock ToolsDeltaBlock ToolsType TranslateParameters Usage"
    ),
    "audio": (
        "audio_customization_param audio_speech_chunk audio_speech_params transcriptions_create_param"
        " AudioCustomizationParam AudioError AudioSpeechChoice AudioSpeechChunk AudioSpeechDelta"
        " AudioSpeechParams TranscriptionsParam"
    ),
    "batch": (
        "batch batch_create_params batch_error batch_list_params batch_request_counts"
        " Batch BatchCreateParams BatchError BatchListParams BatchRequestCounts Errors"
    ),
    "embeddings": "embeddings Embedding EmbeddingsResponded",
    "file_parser": (
        "file_parser_create_params file_parser_resp FileParserCreateParams FileParserDownloadParams"
        " FileParserSyncParams FileParserTaskCreateResp FileParsingDownloadResp"
    ),
    "files": (
        "file_create_params file_deleted file_object upload_detail"
        " FileCreateParams FileDeleted FileObject ListOfFileObject UploadDetail"
    ),
    "image": "image AsyncImagesResponded GeneratedImage ImagesResponded",
    "moderation": "moderation_completion Completion",
    "ocr": (
        "handwriting_ocr_params handwriting_ocr_resp layout_parsing_resp DataInfo HandwritingOCRParams"
        " HandwritingOCRResp LayoutDetail LayoutParsingResp Location PageInfo Probability Usage WordsResult"
    ),
    "sensitive_word_check": "sensitive_word_check SensitiveWordCheckRequest",
    "tools": (
        "tools_web_search_params web_search web_search_chunk"
        " Choice ChoiceDelta ChoiceDeltaToolCall SearchIntent SearchRecommend SearchResult WebSearch"
        " WebSearchChoice WebSearchChunk WebSearchMessage WebSearchMessageToolCall WebSearchParams"
    ),
    "video": "video_create_params video_object VideoCreateParams VideoObject VideoResult",
    "voiceclone": (
        "voice_clone_params voice_delete_params voice_list_params voice_object"
        " VoiceCloneParams VoiceCloneResult VoiceData VoiceDeleteParams VoiceDeleteResult VoiceListParams"
        " VoiceListResult"
    ),
    "web_reader": "web_reader_params web_reader_resp ReaderData WebReaderParams WebReaderResult",
    "web_search": (
        "web_search_create_params web_search_resp"
        " SearchIntentResp SearchResultResp WebSearchCreatParams WebSearchResp"
    ),
}


class _Module(ModuleType):
    """A module without a file."""

    def __init__(self, path: str, names: Iterable[str]) -> None:
        super().__init__(path, __doc__)
        self.__all__ = sorted(names)
        self.__path__: list[str] = []  # a package, whose modules are in sys.modules
        self.__spec__ = ModuleSpec(path, None, is_package=True)

    def __getattr__(self, name: str) -> Any:
        """Make a class on first use."""
        if name not in self.__all__:
            msg = f"module {self.__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        made = new_class(
            name, (WireModel,), exec_body=lambda members: members.update(__module__=self.__name__)
        )
        setattr(self, name, made)
        return made


def _add(path: str, names: Iterable[str], values: Mapping[str, object]) -> None:
    """Register a module with its classes under its path, and under those of its submodules."""
    module = _Module(path, (name for name in names if name[0].isupper()))
    vars(module).update(values)
    for each in (path, *(f"{path}.{name}" for name in names if name[0].islower())):
        parent, _, name = each.rpartition(".")
        sys.modules[each] = module
        setattr(sys.modules[parent], name, module)


accept_json_in_constructors()
_add("zai.api_resource", ["chat", "chat.async_completions", "chat.chat", "chat.completions", *_CHAT], _CHAT)
_add("zai.types.chat.code_geex", ["code_geex_params", *_CODE_GEEX], _CODE_GEEX)
for _resource, _names in _TYPES.items():
    _add(f"zai.types.{_resource}", _names.split(), {})
