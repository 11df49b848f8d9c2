// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Float32} from "../numerics/Float32.sol";
import {Dtype} from "../program/Dtype.sol";
import {Port, ProgramHeader} from "../program/Program.sol";
import {IKernelVersions} from "../proof/IKernelVersions.sol";
import {IModelRegistry, Model, PortRecord, ProgramRecord} from "./IModelRegistry.sol";

/// @title ModelRegistry
/// @notice See IModelRegistry, which is the specification.
contract ModelRegistry is IModelRegistry {
    /// @dev Far beyond any real tensor, and small enough that products of two such numbers cannot overflow.
    uint256 private constant MAX_ELEMENTS = 1 << 48;

    /// @inheritdoc IModelRegistry
    address public immutable kernelVersions;

    mapping(bytes32 programRoot => ProgramRecord) private _programs;
    mapping(bytes32 programRoot => PortRecord[]) private _inputs;
    mapping(bytes32 programRoot => PortRecord[]) private _outputs;
    mapping(bytes32 modelId => Model) private _models;
    mapping(bytes32 modelId => mapping(bytes32 programRoot => bytes32 artifactHash)) private _artifacts;

    constructor(address kernelVersions_) {
        if (kernelVersions_ == address(0)) revert ZeroAddress();
        kernelVersions = kernelVersions_;
    }

    /// @inheritdoc IModelRegistry
    function publishProgram(bytes calldata header) external returns (bytes32 programRoot) {
        ProgramHeader memory h;
        // An own external call, because malformed bytes make abi.decode revert without a name.
        try this.decodeHeader(header) returns (ProgramHeader memory decoded) {
            h = decoded;
        } catch {
            revert MalformedHeader();
        }
        // One program, one root: padded or reordered encodings of the same header are refused.
        if (keccak256(abi.encode(h)) != keccak256(header)) revert NonCanonicalHeader();
        programRoot = sha256(header);
        if (_programs[programRoot].instructionCount != 0) revert ProgramAlreadyPublished(programRoot);

        // What judges the program is part of its root, and is there before it.
        if (h.version == 0 || h.version > IKernelVersions(kernelVersions).latest())
            revert UnsupportedVersion(h.version);
        if (h.accuracyProfile != 1) revert UnsupportedAccuracyProfile(h.accuracyProfile);
        if (h.instructionCount == 0) revert NoInstructions();
        if (h.inputs.length == 0) revert NoInputs();
        if (h.outputs.length == 0) revert NoOutputs();
        if (h.instructionsRoot == 0) revert ZeroInstructionsRoot();
        // The root of constants may well be 0: a single all-zero tensor of one chunk has that root.
        if (h.constantCount == 0 && h.constantsRoot != 0) revert UnexpectedConstantsRoot(h.constantsRoot);

        _programs[programRoot] = ProgramRecord({
            instructionsRoot: h.instructionsRoot,
            constantsRoot: h.constantsRoot,
            instructionCount: h.instructionCount,
            constantCount: h.constantCount,
            inputCount: uint32(h.inputs.length),
            outputCount: uint32(h.outputs.length),
            version: h.version,
            accuracyProfile: h.accuracyProfile
        });
        for (uint256 i; i < h.inputs.length; ++i) {
            uint32 index = h.inputs[i].index;
            if (index != i) revert InputOutOfOrder(i, index);
            _requireTolerance(h.inputs[i], false);
            _inputs[programRoot].push(_recordOf(h.inputs[i]));
        }
        for (uint256 i; i < h.outputs.length; ++i) {
            uint32 index = h.outputs[i].index;
            if (index >= h.instructionCount) revert OutputOutOfRange(i, index, h.instructionCount);
            _requireTolerance(h.outputs[i], h.outputs[i].dtype == Dtype.FLOAT32);
            _outputs[programRoot].push(_recordOf(h.outputs[i]));
        }
        emit ProgramPublished(programRoot, msg.sender, header);
    }

    /// @inheritdoc IModelRegistry
    function createModel(
        bytes32 salt,
        string calldata name,
        string calldata uri,
        uint128 royalty
    ) external returns (bytes32 modelId) {
        modelId = modelIdOf(msg.sender, salt);
        if (_models[modelId].owner != address(0)) revert ModelExists(modelId);
        _models[modelId] = Model(msg.sender, royalty, name, uri);
        emit ModelCreated(modelId, msg.sender, salt, name, uri, royalty);
    }

    /// @inheritdoc IModelRegistry
    function addVersion(
        bytes32 modelId,
        bytes32 programRoot,
        bytes32 artifactHash,
        string calldata uri
    ) external {
        _requireOwner(modelId);
        _requireProgram(programRoot);
        if (artifactHash == 0) revert ZeroArtifactHash();
        if (_artifacts[modelId][programRoot] != 0) revert VersionExists(modelId, programRoot);
        _artifacts[modelId][programRoot] = artifactHash;
        emit VersionAdded(modelId, programRoot, artifactHash, uri);
    }

    /// @inheritdoc IModelRegistry
    function setRoyalty(bytes32 modelId, uint128 royalty) external {
        _requireOwner(modelId);
        _models[modelId].royalty = royalty;
        emit RoyaltyChanged(modelId, royalty);
    }

    /// @inheritdoc IModelRegistry
    function requirePublished(bytes32 programRoot) external view {
        _requireProgram(programRoot);
    }

    /// @inheritdoc IModelRegistry
    function programs(bytes32 programRoot) external view returns (ProgramRecord memory) {
        _requireProgram(programRoot);
        return _programs[programRoot];
    }

    /// @inheritdoc IModelRegistry
    function inputsOf(bytes32 programRoot) external view returns (PortRecord[] memory) {
        _requireProgram(programRoot);
        return _inputs[programRoot];
    }

    /// @inheritdoc IModelRegistry
    function outputsOf(bytes32 programRoot) external view returns (PortRecord[] memory) {
        _requireProgram(programRoot);
        return _outputs[programRoot];
    }

    /// @inheritdoc IModelRegistry
    function modelOf(bytes32 modelId) external view returns (Model memory) {
        if (_models[modelId].owner == address(0)) revert UnknownModel(modelId);
        return _models[modelId];
    }

    /// @inheritdoc IModelRegistry
    function royaltyOf(
        bytes32 modelId,
        bytes32 programRoot
    ) external view returns (address owner, uint128 royalty) {
        owner = _models[modelId].owner;
        royalty = _models[modelId].royalty;
        if (owner == address(0)) revert UnknownModel(modelId);
        if (_artifacts[modelId][programRoot] == 0) revert UnknownVersion(modelId, programRoot);
    }

    /// @inheritdoc IModelRegistry
    function artifactOf(bytes32 modelId, bytes32 programRoot) external view returns (bytes32) {
        return _artifacts[modelId][programRoot];
    }

    /// @inheritdoc IModelRegistry
    function decodeHeader(bytes calldata header) external pure returns (ProgramHeader memory) {
        return abi.decode(header, (ProgramHeader));
    }

    /// @inheritdoc IModelRegistry
    function modelIdOf(address owner, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode(owner, salt));
    }

    function _requireProgram(bytes32 programRoot) private view {
        if (_programs[programRoot].instructionCount == 0) revert UnknownProgram(programRoot);
    }

    function _requireOwner(bytes32 modelId) private view {
        address owner = _models[modelId].owner;
        if (owner == address(0)) revert UnknownModel(modelId);
        if (owner != msg.sender) revert NotModelOwner(modelId, msg.sender);
    }

    function _recordOf(Port memory port) private pure returns (PortRecord memory) {
        return PortRecord(_sizeOf(port), port.index, port.toleranceAbsolute, port.toleranceRelative);
    }

    function _requireTolerance(Port memory port, bool allowed) private pure {
        (uint32 absolute, uint32 relative) = (port.toleranceAbsolute, port.toleranceRelative);
        // Bits of numbers that are not negative are in the order of the numbers.
        if (absolute >= Float32.INFINITY || relative > Float32.ONE || (!allowed && absolute | relative != 0))
            revert ToleranceInvalid(absolute, relative);
    }

    /// @dev Bytes of a port's stored tensor; checks that its layout holds exactly its elements.
    function _sizeOf(Port memory port) private pure returns (uint64) {
        uint256 width = Dtype.sizeOf(port.dtype);
        if (width == 0) revert UnknownDtype(port.dtype);
        uint256 elements = _product(port.dims);
        uint256 stored = _product(port.factors);
        if (elements != stored || elements == 0) revert PortSizeMismatch(elements, stored);
        if (port.order.length != port.factors.length) revert PortOrderInvalid();
        uint256 seen;
        for (uint256 i; i < port.order.length; ++i) {
            uint256 bit = 1 << port.order[i];
            if (port.order[i] >= port.factors.length || seen & bit != 0) revert PortOrderInvalid();
            seen |= bit;
        }
        return uint64(elements * width);
    }

    function _product(uint64[] memory factors) private pure returns (uint256 product) {
        product = 1;
        for (uint256 i; i < factors.length; ++i) {
            product *= factors[i];
            if (product > MAX_ELEMENTS) revert TensorTooLarge(product);
        }
    }
}
