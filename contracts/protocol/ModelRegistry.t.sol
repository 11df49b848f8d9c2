// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Port, ProgramHeader} from "../program/Program.sol";
import {ProtocolFixture} from "../../test/solidity/protocol/ProtocolFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {IModelRegistry, Model, PortRecord, ProgramRecord} from "./IModelRegistry.sol";

/// @notice What may be published, and who may change a model.
contract ModelRegistryTest is ProtocolFixture {
    function _refused(ProgramHeader memory header, bytes memory expected) private {
        _refusedBytes(abi.encode(header), expected);
    }

    function _refusedBytes(bytes memory header, bytes memory expected) private {
        _reverts(
            address(registry),
            anyone,
            abi.encodeCall(IModelRegistry.publishProgram, (header)),
            expected
        );
    }

    function test_publishProgram_storesWhatDisputesNeed() public view {
        require(programRoot == sha256(abi.encode(_header())), "program root");
        ProgramRecord memory program = registry.programs(programRoot);
        require(program.instructionsRoot == "instructions" && program.instructionCount == 3, "instructions");
        require(program.constantsRoot == 0 && program.constantCount == 0, "constants");
        require(program.inputCount == 1 && program.outputCount == 2, "ports");
        require(program.version == 1 && program.accuracyProfile == 1, "version");
        PortRecord[] memory outputs = registry.outputsOf(programRoot);
        require(outputs[0].size == 8 && outputs[0].index == 2, "y");
        require(outputs[1].size == 36 && outputs[1].index == 0, "z");
        PortRecord[] memory inputs = registry.inputsOf(programRoot);
        require(inputs.length == 1 && inputs[0].size == 16, "x");
    }

    function test_publishProgram_twice_reverts() public {
        _refused(
            _header(),
            abi.encodeWithSelector(IModelRegistry.ProgramAlreadyPublished.selector, programRoot)
        );
    }

    function test_publishProgram_malformed_reverts() public {
        bytes memory malformed = abi.encodeWithSelector(IModelRegistry.MalformedHeader.selector);
        _refusedBytes("", malformed);
        _refusedBytes(hex"1234", malformed);
        _refusedBytes(abi.encode(uint256(32), uint256(1) << 16), malformed);
    }

    function test_publishProgram_paddedEncoding_reverts() public {
        bytes memory other = abi.encodeWithSelector(IModelRegistry.NonCanonicalHeader.selector);
        _refusedBytes(bytes.concat(abi.encode(_header()), bytes32(0)), other);
        // The struct shifted by a word, behind a larger offset.
        bytes memory canonical = abi.encode(_header());
        bytes memory body = new bytes(canonical.length - 32);
        for (uint256 i; i < body.length; ++i) body[i] = canonical[i + 32];
        _refusedBytes(bytes.concat(bytes32(uint256(64)), bytes32(0), body), other);
    }

    function test_publishProgram_insaneHeader_reverts() public {
        ProgramHeader memory header = _header();
        header.version = 2;
        _refused(header, abi.encodeWithSelector(IModelRegistry.UnsupportedVersion.selector, 2));
        header = _header();
        header.accuracyProfile = 0;
        _refused(header, abi.encodeWithSelector(IModelRegistry.UnsupportedAccuracyProfile.selector, 0));
        header = _header();
        header.instructionCount = 0;
        _refused(header, abi.encodeWithSelector(IModelRegistry.NoInstructions.selector));
        header = _header();
        header.inputs = new Port[](0);
        _refused(header, abi.encodeWithSelector(IModelRegistry.NoInputs.selector));
        header = _header();
        header.outputs = new Port[](0);
        _refused(header, abi.encodeWithSelector(IModelRegistry.NoOutputs.selector));
        header = _header();
        header.instructionsRoot = 0;
        _refused(header, abi.encodeWithSelector(IModelRegistry.ZeroInstructionsRoot.selector));
        header = _header();
        header.constantsRoot = "c";
        _refused(
            header,
            abi.encodeWithSelector(IModelRegistry.UnexpectedConstantsRoot.selector, bytes32("c"))
        );
    }

    function test_publishProgram_inconsistentPorts_reverts() public {
        ProgramHeader memory header = _header();
        header.inputs[0].index = 1;
        _refused(header, abi.encodeWithSelector(IModelRegistry.InputOutOfOrder.selector, 0, 1));
        header = _header();
        header.outputs[1].index = 3;
        _refused(header, abi.encodeWithSelector(IModelRegistry.OutputOutOfRange.selector, 1, 3, 3));
        header = _header();
        header.outputs[0].dtype = 8;
        _refused(header, abi.encodeWithSelector(IModelRegistry.UnknownDtype.selector, 8));
        header = _header();
        header.inputs[0].factors = new uint64[](2);
        (header.inputs[0].factors[0], header.inputs[0].factors[1]) = (2, 3);
        _refused(header, abi.encodeWithSelector(IModelRegistry.PortSizeMismatch.selector, 4, 6));
        header.inputs[0].factors[1] = 2;
        _refused(header, abi.encodeWithSelector(IModelRegistry.PortOrderInvalid.selector));
        header.inputs[0].order = new uint8[](2);
        _refused(header, abi.encodeWithSelector(IModelRegistry.PortOrderInvalid.selector));
        header.inputs[0].order[0] = 2;
        _refused(header, abi.encodeWithSelector(IModelRegistry.PortOrderInvalid.selector));
        header = _header();
        header.inputs[0].dims[0] = 0;
        header.inputs[0].factors[0] = 0;
        _refused(header, abi.encodeWithSelector(IModelRegistry.PortSizeMismatch.selector, 0, 0));
        header.inputs[0].dims[0] = type(uint64).max;
        _refused(header, abi.encodeWithSelector(IModelRegistry.TensorTooLarge.selector, type(uint64).max));
    }

    function test_publishProgram_tolerances_onlyOfFloat32Outputs() public {
        ProgramHeader memory header = _header();
        header.outputs[0].dtype = 1;
        (header.outputs[0].toleranceAbsolute, header.outputs[0].toleranceRelative) = (0x7f7fffff, 0x3f800000);
        bytes32 root = registry.publishProgram(abi.encode(header));
        PortRecord memory output = registry.outputsOf(root)[0];
        require(
            output.toleranceAbsolute == 0x7f7fffff && output.toleranceRelative == 0x3f800000,
            "tolerance"
        );
        header.outputs[0].toleranceRelative = 0x3f800001;
        _refused(header, _toleranceInvalid(0x7f7fffff, 0x3f800001));
        (header.outputs[0].toleranceAbsolute, header.outputs[0].toleranceRelative) = (0x7f800000, 0);
        _refused(header, _toleranceInvalid(0x7f800000, 0));
        (header.outputs[0].toleranceAbsolute, header.outputs[0].toleranceRelative) = (0x80000000, 0);
        _refused(header, _toleranceInvalid(0x80000000, 0));
        (header.outputs[0].dtype, header.outputs[0].toleranceAbsolute) = (6, 1);
        _refused(header, _toleranceInvalid(1, 0));
        header = _header();
        header.inputs[0].toleranceRelative = 1;
        _refused(header, _toleranceInvalid(0, 1));
    }

    function _toleranceInvalid(uint32 absolute, uint32 relative) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IModelRegistry.ToleranceInvalid.selector, absolute, relative);
    }

    function test_publishProgram_zeroConstantsRoot_isAccepted() public {
        // One constant whose 32 bytes are zero: its tensor root, and the root over it, are 0.
        ProgramHeader memory header = _header();
        header.constantCount = 1;
        registry.publishProgram(abi.encode(header));
    }

    function test_createModel_squatting_isImpossible() public {
        vm.prank(anyone);
        bytes32 squatted = registry.createModel(0, "model", "", 1);
        require(squatted != modelId, "squatted");
        require(modelId == keccak256(abi.encode(modelOwner, bytes32(0))), "model id");
        _reverts(
            address(registry),
            modelOwner,
            abi.encodeCall(IModelRegistry.createModel, (0, "again", "", 0)),
            abi.encodeWithSelector(IModelRegistry.ModelExists.selector, modelId)
        );
        Model memory model = registry.modelOf(modelId);
        require(model.owner == modelOwner && model.royalty == ROYALTY, "model");
    }

    function test_ownerActions_byAnother_revert() public {
        bytes memory notOwner = abi.encodeWithSelector(
            IModelRegistry.NotModelOwner.selector,
            modelId,
            anyone
        );
        _reverts(
            address(registry),
            anyone,
            abi.encodeCall(IModelRegistry.setRoyalty, (modelId, 1)),
            notOwner
        );
        _reverts(
            address(registry),
            anyone,
            abi.encodeCall(IModelRegistry.addVersion, (modelId, programRoot, "hash", "")),
            notOwner
        );
        _reverts(
            address(registry),
            anyone,
            abi.encodeCall(IModelRegistry.setRoyalty, ("none", 1)),
            abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, bytes32("none"))
        );
    }

    function test_addVersion_refused_reverts() public {
        _reverts(
            address(registry),
            modelOwner,
            abi.encodeCall(IModelRegistry.addVersion, (modelId, "none", "hash", "")),
            abi.encodeWithSelector(IModelRegistry.UnknownProgram.selector, bytes32("none"))
        );
        _reverts(
            address(registry),
            modelOwner,
            abi.encodeCall(IModelRegistry.addVersion, (modelId, programRoot, 0, "")),
            abi.encodeWithSelector(IModelRegistry.ZeroArtifactHash.selector)
        );
        _reverts(
            address(registry),
            modelOwner,
            abi.encodeCall(IModelRegistry.addVersion, (modelId, programRoot, "hash", "")),
            abi.encodeWithSelector(IModelRegistry.VersionExists.selector, modelId, programRoot)
        );
    }

    function test_views_unknown_revert() public {
        bytes memory unknown = abi.encodeWithSelector(
            IModelRegistry.UnknownProgram.selector,
            bytes32("none")
        );
        _reverts(address(registry), anyone, abi.encodeCall(IModelRegistry.programs, ("none")), unknown);
        _reverts(address(registry), anyone, abi.encodeCall(IModelRegistry.inputsOf, ("none")), unknown);
        _reverts(address(registry), anyone, abi.encodeCall(IModelRegistry.outputsOf, ("none")), unknown);
        _reverts(
            address(registry),
            anyone,
            abi.encodeCall(IModelRegistry.modelOf, ("none")),
            abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, bytes32("none"))
        );
    }
}
