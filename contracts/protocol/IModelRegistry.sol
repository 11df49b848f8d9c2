// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ProgramHeader} from "../program/Program.sol";

/// @notice What disputes and the market need of a program; from its header.
struct ProgramRecord {
    bytes32 instructionsRoot;
    bytes32 constantsRoot;
    uint32 instructionCount; // 0: not published
    uint32 constantCount;
    uint32 inputCount;
    uint32 outputCount;
    uint16 version;
    uint16 accuracyProfile;
}

/// @notice A program input or output as the contracts need it.
struct PortRecord {
    uint64 size; // bytes of the stored tensor
    uint32 index; // outputs: the instruction that writes it; inputs: its own number
    uint32 toleranceAbsolute; // of outputs, see Port
    uint32 toleranceRelative;
}

/// @notice A model: a name for programs, and who is paid for them.
struct Model {
    address owner; // 0: no such model
    uint128 royalty; // token units per request
    string name;
    string uri;
}

/// @title Public record of programs and models; holds no money
/// @notice A *program* is named by its content and belongs to nobody. A *model* is keyed by its owner and a salt, so
///         that nobody can take another's name by being first; each version of it is a published program.
interface IModelRegistry {
    /// @notice The program's header, whole, so that a watcher needs no other source for the ports' names and layouts.
    event ProgramPublished(bytes32 indexed programRoot, address indexed publisher, bytes header);
    /// @notice A model came into being; it has no version yet.
    event ModelCreated(
        bytes32 indexed modelId,
        address indexed owner,
        bytes32 salt,
        string name,
        string uri,
        uint128 royalty
    );
    /// @notice A model got a version.
    /// @param artifactHash SHA-256 of the canonical graph, an ONNX file that compiles to the program
    event VersionAdded(
        bytes32 indexed modelId,
        bytes32 indexed programRoot,
        bytes32 artifactHash,
        string uri
    );
    /// @notice Requests from now on pay this royalty.
    event RoyaltyChanged(bytes32 indexed modelId, uint128 royalty);

    /// @notice The bytes do not decode as a ProgramHeader.
    error MalformedHeader();
    /// @notice The bytes decode, but are not the canonical encoding.
    error NonCanonicalHeader();
    error ProgramAlreadyPublished(bytes32 programRoot);
    error UnknownProgram(bytes32 programRoot);
    error ZeroAddress();
    error UnsupportedVersion(uint16 version);
    error UnsupportedAccuracyProfile(uint16 profile);
    error NoInstructions();
    error NoInputs();
    error NoOutputs();
    error ZeroInstructionsRoot();
    /// @notice No constants, yet a constants root.
    error UnexpectedConstantsRoot(bytes32 constantsRoot);
    /// @notice Input `port` is not leaf `port` of the input root.
    error InputOutOfOrder(uint256 port, uint32 index);
    /// @notice An output names an instruction that does not exist.
    error OutputOutOfRange(uint256 port, uint32 index, uint32 instructionCount);
    error UnknownDtype(uint8 dtype);
    /// @notice `dims` and `factors` differ in their number of elements, or have none.
    error PortSizeMismatch(uint256 dims, uint256 factors);
    error TensorTooLarge(uint256 elements);
    /// @notice `order` is no permutation of the factors.
    error PortOrderInvalid();
    /// @notice A tolerance of an input, of an output that is no float32, one that is negative or not finite, or a relative
    ///         one above 1.
    error ToleranceInvalid(uint32 toleranceAbsolute, uint32 toleranceRelative);

    error ModelExists(bytes32 modelId);
    error UnknownModel(bytes32 modelId);
    error NotModelOwner(bytes32 modelId, address caller);
    error VersionExists(bytes32 modelId, bytes32 programRoot);
    error UnknownVersion(bytes32 modelId, bytes32 programRoot);
    error ZeroArtifactHash();

    /// @notice Publishes a program by its canonical header; permissionless.
    /// @param header abi.encode(ProgramHeader), see contracts/program/Program.sol
    /// @return programRoot SHA-256 of the header
    function publishProgram(bytes calldata header) external returns (bytes32 programRoot);

    /// @notice Creates a model of the caller.
    /// @param royalty token units that the owner gets of every finalised request
    /// @return modelId keccak256(abi.encode(caller, salt))
    function createModel(
        bytes32 salt,
        string calldata name,
        string calldata uri,
        uint128 royalty
    ) external returns (bytes32 modelId);

    /// @notice Adds a published program to a model; only its owner.
    function addVersion(
        bytes32 modelId,
        bytes32 programRoot,
        bytes32 artifactHash,
        string calldata uri
    ) external;

    /// @notice Changes the royalty of requests yet to come; only the owner.
    function setRoyalty(bytes32 modelId, uint128 royalty) external;

    /// @notice Reverts unless the program is published.
    function requirePublished(bytes32 programRoot) external view;

    /// @notice What a program root stands for; reverts with UnknownProgram.
    function programs(bytes32 programRoot) external view returns (ProgramRecord memory);

    /// @notice Inputs of a program, in order; reverts with UnknownProgram.
    function inputsOf(bytes32 programRoot) external view returns (PortRecord[] memory);

    /// @notice Outputs of a program, in order; reverts with UnknownProgram.
    function outputsOf(bytes32 programRoot) external view returns (PortRecord[] memory);

    /// @notice A model; reverts with UnknownModel.
    function modelOf(bytes32 modelId) external view returns (Model memory);

    /// @notice Whom a request of this version pays and how much; reverts with UnknownModel or UnknownVersion.
    function royaltyOf(
        bytes32 modelId,
        bytes32 programRoot
    ) external view returns (address owner, uint128 royalty);

    /// @notice SHA-256 of the canonical graph of a model's version, 0 when there is no such version.
    function artifactOf(bytes32 modelId, bytes32 programRoot) external view returns (bytes32);

    /// @notice The verifiers that programs may name by their header's version.
    function kernelVersions() external view returns (address);

    /// @notice Decodes a header; reverts when its bytes are malformed.
    function decodeHeader(bytes calldata header) external pure returns (ProgramHeader memory);

    /// @notice keccak256(abi.encode(owner, salt)).
    function modelIdOf(address owner, bytes32 salt) external pure returns (bytes32);
}
