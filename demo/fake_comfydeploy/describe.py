"""Build the body of `GET /deployment/{id}`: the inputs, and the raw workflow with its secrets."""

from __future__ import annotations

import json
import uuid
from typing import Any

from demo.fake_comfydeploy.deployments import DemoDeployment, InputNode, Makes

USER = "user_2standin00000000000000000"
CREATED = "2026-11-24T13:59:30.672000Z"
TYPES = {"NumberInt": "integer", "NumberSliderInt": "integer", "Number": "float", "NumberSlider": "float"}
# Extra fields of some node classes. Real answers contain the bearer token for private weights in plain text.
EXTRAS: dict[str, dict[str, Any]] = {
    "Lora": {
        "lora_url": "",
        "bearer_token": "hf_not_for_clients",
        "default_lora_name": "add_detail.safetensors",
    },
    "Image": {"default_value_url": "https://example.com/in.png"},
    "ImageBatch": {"images": "[]"},
    "Video": {"force_rate": 0, "force_size": "Disabled", "frame_load_cap": 0},
    "EXR": {"tonemap": "sRGB", "exr_file": ""},
    "Audio": {"audio_file": ""},
    "File": {"file_url": ""},
}


def related_id(deployment_id: str, what: str) -> str:
    """Return a stable id of an object that belongs to the deployment."""
    return str(uuid.uuid5(uuid.UUID(deployment_id), what))


def input_type(node: InputNode) -> dict[str, Any]:
    return {
        "type": "boolean" if node.class_type == "Boolean" else TYPES.get(node.class_type, "string"),
        "class_type": f"ComfyUIDeployExternal{node.class_type}",
        "input_id": node.input_id,
        "default_value": node.default,
        "min_value": node.minimum,
        "max_value": node.maximum,
        "display_name": node.display_name,
        "description": node.description,
        "enum_options": None if node.options is None else list(node.options),
        "step": None,
    }


def _workflow_node(node: InputNode) -> dict[str, Any]:
    inputs: dict[str, Any] = {
        "input_id": node.input_id,
        "description": node.description,
        "display_name": node.display_name,
        **EXTRAS.get(node.class_type, {}),
    }
    if node.default is not None:
        inputs["default_value"] = node.default
    if node.minimum is not None:
        inputs |= {"max_value": node.maximum, "min_value": node.minimum}
    if node.options is not None:
        inputs["options"] = json.dumps(node.options)
    return {
        "_meta": {"title": node.display_name or node.input_id},
        "inputs": inputs,
        "class_type": f"ComfyUIDeployExternal{node.class_type}",
    }


def _workflow_api(deployment: DemoDeployment) -> dict[str, Any]:
    nodes = {str(9 + at): _workflow_node(node) for at, node in enumerate(deployment.inputs)}
    executed = {
        str(200 + at): {"_meta": {"title": name}, "inputs": {"samples": ["9", 0]}, "class_type": name}
        for at, name in enumerate(deployment.nodes)
    }
    return nodes | executed


def _version(deployment: DemoDeployment) -> dict[str, Any]:
    return {
        "workflow_api": _workflow_api(deployment),
        "id": related_id(deployment.id, "version"),
        "comment": "",
        "version": 1,
        "dependencies": None,
        "created_at": "2026-11-24T13:59:30.669Z",
        "machine_version_id": None,
        "comfyui_snapshot": None,
        "workflow": {
            "links": [],
            "nodes": [
                {"id": number, "type": "KSampler", "widgets_values": [1, "randomize", 20, 7.5, "euler", 1]}
                for number in range(deployment.canvas_nodes)
            ],
            "version": 0.4,
            "last_node_id": 200,
        },
        "workflow_id": related_id(deployment.id, "workflow"),
        "user_id": USER,
        "snapshot": None,
        "updated_at": "2026-11-24T13:59:30.669Z",
        "machine_id": None,
    }


def describe(deployment: DemoDeployment) -> dict[str, Any]:
    picture = {"class_type": "ComfyDeployOutputImage", "output_id": "main"}
    makes_pictures = deployment.makes in {Makes.PICTURE, Makes.PICTURES, Makes.LARGER}
    return {
        "id": deployment.id,
        "user_id": USER,
        "org_id": None,
        "workflow_version_id": related_id(deployment.id, "version"),
        "workflow_id": related_id(deployment.id, "workflow"),
        "machine_id": related_id(deployment.id, "machine"),
        "share_slug": None,
        "description": deployment.description or None,
        "share_options": None,
        "showcase_media": None,
        "environment": deployment.environment,
        "created_at": CREATED,
        "updated_at": CREATED,
        "workflow": {"id": related_id(deployment.id, "workflow"), "name": deployment.name, "cover_url": None},
        "version": _version(deployment),
        "machine": None,
        "input_types": [input_type(node) for node in deployment.inputs],
        "output_types": [picture] if makes_pictures else [],
        "dub_link": None,
        "gpu": deployment.gpu,
        "machine_version_id": None,
        "modal_image_id": None,
        "concurrency_limit": deployment.concurrency_limit,
        "run_timeout": deployment.run_timeout,
        "idle_timeout": 0,
        "keep_warm": 0,
        "activated_at": None,
        "modal_app_id": None,
    }
