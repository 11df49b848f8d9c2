// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Deploy} from "../../test/solidity/protocol/Deploy.sol";
import {ContractWallet} from "../../test/solidity/protocol/ContractWallet.sol";
import {ProtocolFixture} from "../../test/solidity/protocol/ProtocolFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {Phase} from "./ClaimLife.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {Claim, IInferenceMarket, RequestParams, RequestStatus} from "./IInferenceMarket.sol";
import {IModelRegistry} from "./IModelRegistry.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {InferenceMarket} from "./InferenceMarket.sol";
import {TensorTree} from "./TensorTree.sol";
import {Terms, TermsLib} from "./Terms.sol";

/// @notice What the market accepts as a request and as a claim.
contract InferenceMarketTest is ProtocolFixture {
    // --- requests ---

    function _refusedRequest(RequestParams memory params, bytes memory expected) private {
        _reverts(address(market), requester, abi.encodeCall(IInferenceMarket.request, (params)), expected);
    }

    function test_request_unknownModel_reverts() public {
        RequestParams memory params = _requestParams();
        params.modelId = "nobody's";
        _refusedRequest(params, abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, params.modelId));
    }

    function test_request_programOfNoVersion_reverts() public {
        RequestParams memory params = _requestParams();
        params.programRoot = "unknown";
        _refusedRequest(
            params,
            abi.encodeWithSelector(IModelRegistry.UnknownVersion.selector, modelId, bytes32("unknown"))
        );
    }

    function test_request_royaltyRaisedBefore_reverts() public {
        vm.prank(modelOwner);
        registry.setRoyalty(modelId, ROYALTY + 1);
        _refusedRequest(
            _requestParams(),
            abi.encodeWithSelector(IInferenceMarket.RoyaltyAboveMax.selector, ROYALTY + 1, ROYALTY)
        );
    }

    function test_request_royaltyRaisedAfter_isFrozen() public {
        bytes32 claimId = _lazy();
        vm.prank(modelOwner);
        registry.setRoyalty(modelId, 1_000_000);
        _pass(CHALLENGE_WINDOW);
        market.finalise(claimId);
        _equal(stakes.accountOf(modelOwner).payout, ROYALTY, "royalty");
    }

    function test_request_deadlineOutOfRange_reverts() public {
        RequestParams memory params = _requestParams();
        params.deadline = time;
        _refusedRequest(
            params,
            abi.encodeWithSelector(
                IInferenceMarket.DeadlineOutOfRange.selector,
                time,
                time + 1,
                time + 30 days
            )
        );
        params.deadline = time + 30 days + 1;
        _refusedRequest(
            params,
            abi.encodeWithSelector(
                IInferenceMarket.DeadlineOutOfRange.selector,
                params.deadline,
                time + 1,
                time + 30 days
            )
        );
    }

    function test_request_inputsAgainstRoot_reverts() public {
        RequestParams memory params = _requestParams();
        params.inputs[3] = 0xff;
        _refusedRequest(
            params,
            abi.encodeWithSelector(
                IInferenceMarket.InputsMismatch.selector,
                _inputRoot(),
                bytes32(params.inputs)
            )
        );
        params.inputs = bytes.concat(INPUTS, hex"00");
        _refusedRequest(params, abi.encodeWithSelector(TensorTree.LengthMismatch.selector, 17, 16));
        params.inputs = "";
        _refusedRequest(params, abi.encodeWithSelector(IInferenceMarket.InputsMissing.selector));
        params.inputsUri = "ipfs://inputs";
        vm.prank(requester);
        market.request(params);
    }

    function test_request_callback_outOfRange_reverts() public {
        RequestParams memory params = _requestParams();
        params.callback = address(this);
        _refusedRequest(
            params,
            abi.encodeWithSelector(IInferenceMarket.CallbackRefused.selector, address(this))
        );
        params.callbackGas = 1_000_001;
        _refusedRequest(
            params,
            abi.encodeWithSelector(IInferenceMarket.CallbackGasAboveCap.selector, 1_000_001, 1_000_000)
        );
        params.callbackGas = 1;
        address[6] memory refused = [
            address(0),
            address(market),
            address(stakes),
            address(token),
            address(referee),
            address(registry)
        ];
        for (uint256 i; i < refused.length; ++i) {
            params.callback = refused[i];
            _refusedRequest(
                params,
                abi.encodeWithSelector(IInferenceMarket.CallbackRefused.selector, refused[i])
            );
        }
    }

    function test_request_sameTwice_hasTwoIds() public {
        bytes32 expected = market.requestIdOf(requester, _requestParams());
        bytes32 first = _request();
        require(first == expected, "requestIdOf");
        require(_request() != first, "one id for two requests");
    }

    function test_request_free_needsNoEscrow() public {
        vm.prank(modelOwner);
        registry.setRoyalty(modelId, 0);
        RequestParams memory params = _requestParams();
        params.fee = 0;
        vm.prank(anyone);
        bytes32 claimId = _post(_claim(market.request(params), 0));
        _pass(CHALLENGE_WINDOW);
        market.finalise(claimId);
        _checkMoney(5 * COLLATERAL, 0, 0, 0, 0, 0, 0);
    }

    function test_request_withoutFunds_reverts() public {
        (bool ok, ) = address(market).call(abi.encodeCall(IInferenceMarket.request, (_requestParams())));
        require(!ok, "a request without funds");
        _equal(_held(), 0, "escrow");
    }

    // --- claims ---

    function _refusedClaim(Claim memory claim, bytes memory signature, bytes memory expected) private {
        _reverts(
            address(market),
            anyone,
            abi.encodeCall(IInferenceMarket.postClaim, (claim, signature, _outputs())),
            expected
        );
    }

    function _signed(Claim memory claim) private view returns (bytes memory) {
        return _sign(EXECUTOR_KEY, market.claimIdOf(claim));
    }

    function test_claimIdOf_isTheEip712Digest() public view {
        Claim memory claim = _claim("request", "trace");
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Assay"),
                keccak256("1"),
                block.chainid,
                address(market)
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Claim(bytes32 requestId,bytes32 programRoot,bytes32 inputRoot,bytes32 outputRoot,bytes32 traceRoot,address executor)"
                ),
                claim.requestId,
                claim.programRoot,
                claim.inputRoot,
                claim.outputRoot,
                claim.traceRoot,
                claim.executor
            )
        );
        require(
            market.claimIdOf(claim) == keccak256(bytes.concat(hex"1901", domain, structHash)),
            "digest differs"
        );
    }

    function test_postClaim_unknownRequest_reverts() public {
        Claim memory claim = _claim("nothing", 0);
        _refusedClaim(
            claim,
            _signed(claim),
            abi.encodeWithSelector(IInferenceMarket.UnknownRequest.selector, bytes32("nothing"))
        );
    }

    function test_postClaim_replayed_reverts() public {
        Claim memory claim = _claim(_request(), 0);
        bytes32 claimId = _post(claim);
        _refusedClaim(
            claim,
            _signed(claim),
            abi.encodeWithSelector(
                IInferenceMarket.RequestNotOpen.selector,
                claim.requestId,
                RequestStatus.Claimed
            )
        );
        _pass(CHALLENGE_WINDOW);
        market.finalise(claimId);
        _refusedClaim(
            claim,
            _signed(claim),
            abi.encodeWithSelector(
                IInferenceMarket.RequestNotOpen.selector,
                claim.requestId,
                RequestStatus.Fulfilled
            )
        );
    }

    function test_postClaim_foreignSignature_reverts() public {
        Claim memory claim = _claim(_request(), 0);
        bytes32 claimId = market.claimIdOf(claim);
        bytes memory invalid = abi.encodeWithSelector(
            IInferenceMarket.InvalidSignature.selector,
            executor,
            claimId
        );
        _refusedClaim(claim, _sign(0xBAD, claimId), invalid);
        _refusedClaim(claim, "", invalid);
        _refusedClaim(claim, new bytes(65), invalid);
    }

    function test_postClaim_signatureOfAnotherClaim_reverts() public {
        Claim memory claim = _claim(_request(), 0);
        bytes memory signature = _signed(claim);
        claim.traceRoot = "added by the relayer";
        _refusedClaim(
            claim,
            signature,
            abi.encodeWithSelector(
                IInferenceMarket.InvalidSignature.selector,
                executor,
                market.claimIdOf(claim)
            )
        );
    }

    function test_postClaim_anotherDomain_reverts() public {
        Claim memory claim = _claim(_request(), 0);
        InferenceMarket otherMarket = Deploy.inferenceMarket(address(registry), address(stakes), _terms(), 0);
        bytes memory signature = _sign(EXECUTOR_KEY, otherMarket.claimIdOf(claim));
        bytes memory invalid = abi.encodeWithSelector(
            IInferenceMarket.InvalidSignature.selector,
            executor,
            market.claimIdOf(claim)
        );
        _refusedClaim(claim, signature, invalid);
    }

    function test_postClaim_anotherChain_reverts() public {
        Claim memory claim = _claim(_request(), 0);
        bytes memory signature = _signed(claim);
        vm.chainId(424_242);
        _refusedClaim(
            claim,
            signature,
            abi.encodeWithSelector(
                IInferenceMarket.InvalidSignature.selector,
                executor,
                market.claimIdOf(claim)
            )
        );
    }

    /// @notice More or dirtier calldata is the same claim or none, never another one.
    function test_postClaim_paddedCalldata_isTheSameClaim() public {
        Claim memory claim = _claim(_request(), 0);
        bytes memory data = abi.encodeCall(IInferenceMarket.postClaim, (claim, _signed(claim), _outputs()));
        bytes memory dirty = bytes.concat(data);
        // The topmost byte of the executor's word, the sixth.
        dirty[4 + 5 * 32] = 0x01;
        (bool ok, bytes memory result) = address(market).call(dirty);
        require(!ok && result.length == 0, "dirty address");
        (ok, result) = address(market).call(bytes.concat(data, new bytes(32)));
        require(ok && abi.decode(result, (bytes32)) == market.claimIdOf(claim), "another claim");
        (ok, result) = address(market).call(data);
        require(!ok && bytes4(result) == IInferenceMarket.RequestNotOpen.selector, "posted twice");
    }

    function test_postClaim_contractWallet_succeeds() public {
        ContractWallet wallet = new ContractWallet(vm.addr(0xA11CE));
        token.mint(address(wallet), COLLATERAL);
        wallet.execute(
            address(token),
            abi.encodeWithSignature("approve(address,uint256)", stakes, COLLATERAL)
        );
        wallet.execute(address(stakes), abi.encodeCall(IStakeManager.deposit, (COLLATERAL)));
        Claim memory claim = _claim(_request(), 0);
        claim.executor = address(wallet);
        bytes32 claimId = market.claimIdOf(claim);
        _refusedClaim(
            claim,
            _sign(0xBAD, claimId),
            abi.encodeWithSelector(IInferenceMarket.InvalidSignature.selector, address(wallet), claimId)
        );
        vm.prank(anyone);
        market.postClaim(claim, _sign(0xA11CE, claimId), _outputs());
        _checkPhase(claimId, Phase.Open);
        _equal(stakes.accountOf(address(wallet)).locked, COLLATERAL, "locked");
    }

    function test_postClaim_otherThanRequested_reverts() public {
        bytes32 requestId = _request();
        Claim memory claim = _claim(requestId, 0);
        claim.programRoot = "other";
        _refusedClaim(
            claim,
            _signed(claim),
            abi.encodeWithSelector(IInferenceMarket.WrongProgram.selector, programRoot, bytes32("other"))
        );
        claim = _claim(requestId, 0);
        claim.inputRoot = "other";
        _refusedClaim(
            claim,
            _signed(claim),
            abi.encodeWithSelector(IInferenceMarket.WrongInput.selector, _inputRoot(), bytes32("other"))
        );
        claim = _claim(requestId, 0);
        claim.executor = address(0);
        _refusedClaim(claim, new bytes(65), abi.encodeWithSelector(IClaimBook.ZeroAddress.selector));
    }

    function test_postClaim_notDesignated_reverts() public {
        RequestParams memory params = _requestParams();
        params.executor = challenger;
        vm.prank(requester);
        Claim memory claim = _claim(market.request(params), 0);
        _refusedClaim(
            claim,
            _signed(claim),
            abi.encodeWithSelector(IInferenceMarket.WrongExecutor.selector, challenger, executor)
        );
    }

    function test_postClaim_outputsAgainstRoot_reverts() public {
        Claim memory claim = _claim(_request(), 0);
        bytes memory outputs = _outputs();
        outputs[0] = 0;
        bytes32 actual = _pair(bytes32(bytes.concat(hex"00", hex"22334455667788")), _rootZ());
        _reverts(
            address(market),
            anyone,
            abi.encodeCall(IInferenceMarket.postClaim, (claim, _signed(claim), outputs)),
            abi.encodeWithSelector(IInferenceMarket.OutputsMismatch.selector, _outputRoot(), actual)
        );
        _reverts(
            address(market),
            anyone,
            abi.encodeCall(IInferenceMarket.postClaim, (claim, _signed(claim), "")),
            abi.encodeWithSelector(IInferenceMarket.OutputsMissing.selector)
        );
    }

    function test_postClaim_outputsElsewhere_needNoBytes() public {
        RequestParams memory params = _requestParams();
        params.outputsInline = false;
        vm.prank(requester);
        Claim memory claim = _claim(market.request(params), 0);
        market.postClaim(claim, _signed(claim), "");
    }

    function test_postClaim_withoutStake_reverts() public {
        vm.prank(executor);
        stakes.requestWithdrawal(4 * COLLATERAL + 1);
        Claim memory claim = _claim(_request(), 0);
        _refusedClaim(
            claim,
            _signed(claim),
            abi.encodeWithSelector(
                IStakeManager.InsufficientFreeStake.selector,
                executor,
                COLLATERAL - 1,
                COLLATERAL
            )
        );
    }

    // --- construction ---

    function deploy(Terms memory terms, uint256 callbackGasCap) external {
        Deploy.inferenceMarket(address(registry), address(stakes), terms, callbackGasCap);
    }

    function _refusedTerms(Terms memory terms, bytes memory expected) private {
        try this.deploy(terms, 0) {
            revert("accepted bad terms");
        } catch (bytes memory error_) {
            require(keccak256(error_) == keccak256(expected), "wrong error");
        }
    }

    function test_constructor_termsOutOfRange_reverts() public {
        Terms memory terms = _terms();
        terms.proofWindow = 59;
        _refusedTerms(
            terms,
            abi.encodeWithSelector(TermsLib.WindowOutOfRange.selector, 59, 1 minutes, 30 days)
        );
        terms = _terms();
        terms.challengeWindow = 30 days + 1;
        _refusedTerms(
            terms,
            abi.encodeWithSelector(TermsLib.WindowOutOfRange.selector, 30 days + 1, 1 minutes, 30 days)
        );
        terms = _terms();
        terms.compensationBps = 5_001;
        _refusedTerms(terms, abi.encodeWithSelector(TermsLib.BurnTooSmall.selector, 999, 1_000));
        terms.compensationBps = 65_535;
        _refusedTerms(terms, abi.encodeWithSelector(TermsLib.BurnTooSmall.selector, 0, 1_000));
        terms = _terms();
        terms.bountyBps = 0;
        _refusedTerms(terms, abi.encodeWithSelector(TermsLib.NoBounty.selector));
        terms = _terms();
        terms.collateral = 9_999;
        _refusedTerms(terms, abi.encodeWithSelector(TermsLib.AmountTooSmall.selector, 9_999, 10_000));
        terms = _terms();
        terms.challengeBond = 19_999;
        _refusedTerms(
            terms,
            abi.encodeWithSelector(TermsLib.BondOutOfRange.selector, 19_999, 20_000, BOUNTY)
        );
        terms.challengeBond = 400_001;
        _refusedTerms(
            terms,
            abi.encodeWithSelector(TermsLib.BondOutOfRange.selector, 400_001, 20_000, BOUNTY)
        );
        terms = _terms();
        terms.voidCostCap = 400_001;
        _refusedTerms(terms, abi.encodeWithSelector(TermsLib.VoidCostAboveBounty.selector, 400_001, BOUNTY));
    }

    /// @dev Eight pages of 1,024 nodes, each with 256 for its transaction and a quarter more burned, are 12,800 prices.
    function test_constructor_eightPagesAboveTheBounty_reverts() public {
        Terms memory terms = _terms();
        terms.dataPrice = uint128(BOUNTY / 12_800);
        this.deploy(terms, 0);
        terms.dataPrice += 1;
        _refusedTerms(
            terms,
            abi.encodeWithSelector(TermsLib.DataPriceTooHigh.selector, terms.dataPrice, BOUNTY / 12_800)
        );
        terms.dataPrice = 0;
        _refusedTerms(terms, abi.encodeWithSelector(TermsLib.AmountTooSmall.selector, 0, 1));
    }

    function test_constructor_callbackGasAboveHalfATransaction_reverts() public {
        try this.deploy(_terms(), (1 << 23) + 1) {
            revert("accepted");
        } catch (bytes memory error_) {
            require(bytes4(error_) == IInferenceMarket.CallbackGasCapOutOfRange.selector, "error");
        }
    }

    function testFuzz_termsSplits_addUp(
        uint128 collateral,
        uint16 bounty,
        uint16 compensation,
        uint128 cap,
        uint128 fee,
        uint128 royalty
    ) public pure {
        Terms memory terms = _terms();
        // So large that a bounty of one basis point pays for demands.
        terms.dataPrice = 1;
        terms.collateral = uint128(128_000_000 + (collateral % (type(uint128).max - 128_000_000)));
        terms.bountyBps = 1 + (bounty % 9_000);
        terms.compensationBps = compensation % uint16(9_001 - terms.bountyBps);
        (uint256 bountyPaid, uint256 compensated, uint256 burned) = TermsLib.splitSlash(terms);
        terms.challengeBond = uint128(bountyPaid);
        terms.voidCostCap = uint128(cap % (bountyPaid + 1));
        TermsLib.validate(terms);
        require(bountyPaid + compensated + burned == terms.collateral, "slash does not add up");
        // What colluders lose is at least the least burn, whatever the rounding.
        require(burned * 10_000 >= uint256(terms.collateral) * 1_000, "burn too small");
        require(bountyPaid != 0, "no bounty");
        (uint256 cost, uint256 refund) = TermsLib.splitVoid(terms, fee, royalty);
        require(cost + refund == uint256(fee) + royalty, "void does not add up");
        require(cost <= terms.voidCostCap && cost <= fee / 2, "cost above cap or half the fee");
    }
}
